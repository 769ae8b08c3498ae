#include "memory/segment.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "tests/memory/shared.h"

namespace sluice::memory {
namespace {

using ::testing::HasSubstr;

constexpr size_t kPageBytes = 4096;
constexpr int kAll = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

core::Descriptor unnamed(size_t bytes, int seals, size_t reserved) {
  core::Descriptor fd(::memfd_create("lie", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(bytes)), 0);
  if (reserved > 0) {
    EXPECT_EQ(::fallocate(fd.get(), 0, 0, static_cast<off_t>(reserved)), 0);
  }
  EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  return fd;
}

Status refused(core::Descriptor fd, uint64_t bytes = kPageBytes, uint64_t most = 8 * kPageBytes) {
  return PeerSegment::map(std::move(fd), bytes, most).status();
}

TEST(SegmentTest, IsWholePagesOfZerosThatAreThere) {
  for (const size_t bytes : {size_t{1}, kPageBytes, kPageBytes + 1, size_t{2} << 20}) {
    const auto segment = Segment::make(bytes);
    ASSERT_TRUE(segment.ok()) << segment.status();
    EXPECT_EQ(segment->bytes().size(), (bytes + kPageBytes - 1) / kPageBytes * kPageBytes);
    const std::vector<std::byte> zeros(segment->bytes().size());
    EXPECT_EQ(std::memcmp(segment->bytes().data(), zeros.data(), zeros.size()), 0);
    struct stat info {};
    ASSERT_EQ(::fstat(segment->fd(), &info), 0);
    EXPECT_GE(static_cast<size_t>(info.st_blocks) * 512, segment->bytes().size());
  }
}

TEST(SegmentTest, NobodyCanChangeItsSizeTakePagesAwayOrMapItForWriting) {
  const auto segment = Segment::make(2 * kPageBytes);
  ASSERT_TRUE(segment.ok()) << segment.status();
  const int fd = segment->fd();
  EXPECT_NE(::ftruncate(fd, kPageBytes), 0);
  EXPECT_NE(::ftruncate(fd, 3 * kPageBytes), 0);
  EXPECT_NE(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kPageBytes), 0);
  EXPECT_NE(::madvise(segment->bytes().data(), kPageBytes, MADV_REMOVE), 0);
  EXPECT_EQ(::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
  EXPECT_NE(::pwrite(fd, "x", 1, 0), 1);
  void* read_only = ::mmap(nullptr, kPageBytes, PROT_READ, MAP_SHARED, fd, 0);
  ASSERT_NE(read_only, MAP_FAILED);
  EXPECT_NE(::mprotect(read_only, kPageBytes, PROT_READ | PROT_WRITE), 0);
  ::munmap(read_only, kPageBytes);
  EXPECT_EQ(::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1) << "its owner could be locked out";
}

TEST(SegmentTest, ASizeThatCannotBeHadIsAStatus) {
  for (const size_t bytes : {size_t{1} << 45, size_t{1} << 62, SIZE_MAX}) {
    const Status status = Segment::make(bytes).status();
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
    EXPECT_THAT(status.message(), HasSubstr("cannot make a segment of"));
  }
  EXPECT_EQ(Segment::make(0).status().code(), StatusCode::kInvalidArgument);
}

TEST(SegmentTest, LimitsOfTheProcessAreAStatusAndLeaveNothing) {
  const size_t files = open_files();
  std::map<int, rlim_t> limits = {{RLIMIT_FSIZE, kPageBytes}};
#ifndef SLUICE_SANITIZED  // UBSan opens a pipe to see whether memory is there
  limits[RLIMIT_NOFILE] = 3;
#endif
  for (const auto& [resource, limit] : limits) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(static_cast<__rlimit_resource>(resource), &before), 0);
    const rlimit low{limit, before.rlim_max};
    ASSERT_EQ(::setrlimit(static_cast<__rlimit_resource>(resource), &low), 0);
    const Status status = Segment::make(2 * kPageBytes).status();
    ASSERT_EQ(::setrlimit(static_cast<__rlimit_resource>(resource), &before), 0);
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
  }
  EXPECT_EQ(open_files(), files);
}

TEST(PeerSegmentTest, ShowsWhatItsOwnerWrites) {
  const auto own = Segment::make(kPageBytes);
  ASSERT_TRUE(own.ok()) << own.status();
  const auto seen = PeerSegment::map(copy_of(own->fd()), kPageBytes, kPageBytes);
  ASSERT_TRUE(seen.ok()) << seen.status();
  own->bytes()[7] = std::byte{42};
  EXPECT_EQ((*seen)->bytes()[7], std::byte{42});
}

TEST(PeerSegmentTest, OutlivesItsOwner) {
  std::shared_ptr<const PeerSegment> seen;
  {
    const auto own = Segment::make(kPageBytes);
    ASSERT_TRUE(own.ok());
    own->bytes()[1] = std::byte{3};
    seen = *PeerSegment::map(copy_of(own->fd()), kPageBytes, kPageBytes);
  }
  EXPECT_EQ(seen->bytes()[1], std::byte{3});
}

TEST(PeerSegmentTest, RefusesWhatIsNotSealedAgainstEveryChange) {
  EXPECT_TRUE(refused(unnamed(kPageBytes, kAll, kPageBytes)).ok());
  for (const int seal : {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE, F_SEAL_SEAL}) {
    const Status status = refused(unnamed(kPageBytes, kAll & ~seal, kPageBytes));
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("not sealed")) << seal;
  }
}

TEST(PeerSegmentTest, RefusesPagesThatAreNotThere) {
  EXPECT_THAT(refused(unnamed(2 * kPageBytes, kAll, kPageBytes), 2 * kPageBytes).message(),
              HasSubstr("pages are not there"));
}

TEST(PeerSegmentTest, RefusesWhatIsNoMemory) {
  char name[] = "/tmp/segment-test-XXXXXX";
  core::Descriptor file(::mkostemp(name, O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  ::unlink(name);
  ASSERT_EQ(::ftruncate(file.get(), kPageBytes), 0);
  EXPECT_FALSE(refused(std::move(file)).ok());
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  EXPECT_FALSE(refused(core::Descriptor(ends[0])).ok());
  EXPECT_FALSE(refused(core::Descriptor(ends[1])).ok());
  EXPECT_FALSE(refused(core::Descriptor()).ok()) << "none at all";
}

TEST(PeerSegmentTest, RefusesOtherSizesThanWereSaidAndTooLargeOnes) {
  EXPECT_FALSE(refused(unnamed(kPageBytes, kAll, kPageBytes), 2 * kPageBytes).ok());
  EXPECT_FALSE(refused(unnamed(kPageBytes, kAll, kPageBytes), 1).ok());
  EXPECT_FALSE(refused(unnamed(kPageBytes, kAll, kPageBytes), kPageBytes, kPageBytes - 1).ok());
  EXPECT_FALSE(refused(unnamed(0, kAll, 0), 0).ok());
}

TEST(PeerSegmentTest, ViewsAreInside) {
  const auto own = Segment::make(kPageBytes);
  ASSERT_TRUE(own.ok());
  const auto seen = *PeerSegment::map(copy_of(own->fd()), kPageBytes, kPageBytes);
  const auto view = seen->view(8, kPageBytes - 8, 4);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->data(), seen->bytes().data() + 8);
  EXPECT_EQ(view->size(), kPageBytes - 8);
  EXPECT_TRUE(seen->view(kPageBytes, 0, 4).ok());
  const std::pair<uint64_t, uint64_t> lies[] = {
      {0, kPageBytes + 1}, {8, kPageBytes}, {kPageBytes + 4, 0}, {2, 4},
      {UINT64_MAX - 3, 8}, {4, UINT64_MAX}, {kPageBytes - 4, 8}, {8, UINT64_MAX - 7},
      {UINT64_MAX, 1}};
  for (const auto& [offset, bytes] : lies) {
    EXPECT_EQ(seen->view(offset, bytes, 4).status().code(), StatusCode::kInvalidArgument)
        << offset << " " << bytes;
  }
}

}  // namespace
}  // namespace sluice::memory
