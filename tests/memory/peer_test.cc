#include "memory/peer.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <cstring>
#include <vector>

#include "tests/memory/segment_pool.h"
#include "tests/memory/shared.h"

namespace sluice::memory {
namespace {

using ::testing::HasSubstr;

// A peer, and the other end of its socket in the hands of a liar.
class PeerTest : public testing::Test {
 protected:
  PeerTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    liar_ = core::Descriptor(ends[0]);
    peer_ = std::make_unique<Peer>(core::Descriptor(ends[1]), own_, bounds_);
  }

  bool tell(const Segment& segment, uint64_t number, uint64_t bytes) {
    return send(liar_.get(), {Kind::kSegment, number, bytes}, segment.fd());
  }
  // Sends `bytes`, with so many descriptors.
  void send_raw(const std::string& bytes, size_t descriptors) {
    const core::Descriptor file(::memfd_create("lie", MFD_CLOEXEC));
    const std::vector<int> fds(descriptors, file.get());
    std::vector<char> control(CMSG_SPACE(descriptors * sizeof(int)));
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (descriptors > 0) {
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      cmsghdr* rights = CMSG_FIRSTHDR(&header);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
      std::memcpy(CMSG_DATA(rights), fds.data(), descriptors * sizeof(int));
    }
    ASSERT_EQ(::sendmsg(liar_.get(), &header, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // It was hung up on, and nothing of what it sent is left.
  void expect_broken(const std::string& why) {
    const size_t files = open_files();
    const Status status = peer_->receive();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(status.message(), HasSubstr(why));
    EXPECT_EQ(open_files(), files);
    EXPECT_EQ(receive(liar_.get()).status().code(), StatusCode::kUnavailable);
    EXPECT_FALSE(peer_->floats_at({1, 0, 4}).ok());
    SegmentPool pool(own_, 10, 1);
    EXPECT_FALSE(peer_->tell(pool.take()->span()));
  }

  const std::shared_ptr<Segments> own_ = std::make_shared<Segments>();
  const Bounds bounds_{.segments = 3, .bytes = 5 * 4096};
  core::Descriptor liar_;
  std::unique_ptr<Peer> peer_;
};

TEST_F(PeerTest, ReadsWhatItIsTold) {
  const auto segment = *Segment::make(4096);
  const float value = 2.5f;
  std::memcpy(segment.bytes().data() + 8, &value, sizeof value);
  ASSERT_TRUE(tell(segment, 7, 4096));
  const auto floats = peer_->floats_at({7, 8, 4});
  ASSERT_TRUE(floats.ok()) << floats.status();
  EXPECT_EQ(floats->values.size(), 1u);
  EXPECT_EQ(floats->values[0], value);
}

TEST_F(PeerTest, TellsASegmentOnceAndThatItIsGone) {
  SegmentPool pool(own_, 10, 0);
  auto buffer = pool.take();
  EXPECT_EQ(peer_->tell(buffer->span().subspan(2)), (Place{1, 8, 32}));
  EXPECT_EQ(peer_->tell(buffer->span()), (Place{1, 0, 40}));
  buffer.reset();
  buffer = pool.take();
  EXPECT_EQ(peer_->tell(buffer->span()), (Place{2, 0, 40}));
  const std::pair<Kind, uint64_t> expected[] = {
      {Kind::kSegment, 1}, {Kind::kGone, 1}, {Kind::kSegment, 2}};
  for (const auto& [kind, number] : expected) {
    const auto received = receive(liar_.get());
    ASSERT_TRUE(received.ok() && *received);
    EXPECT_EQ((*received)->message.kind, kind);
    EXPECT_EQ((*received)->message.a, number);
    EXPECT_EQ((*received)->fd.valid(), kind == Kind::kSegment);
  }
  EXPECT_FALSE(*receive(liar_.get()));
}

TEST_F(PeerTest, TellsNothingOfOrdinaryMemory) {
  const std::vector<float> values(10);
  EXPECT_FALSE(peer_->tell(values));
}

TEST_F(PeerTest, TellsNoMoreThanTheOtherTakes) {
  SegmentPool pool(own_, 1024, 4);
  std::vector<std::shared_ptr<core::AlignedBuffer>> buffers;
  for (int i = 0; i < 3; ++i) {
    buffers.push_back(pool.take());
    EXPECT_TRUE(peer_->tell(buffers.back()->span()));
  }
  buffers.push_back(pool.take());
  EXPECT_FALSE(peer_->tell(buffers.back()->span()));
  EXPECT_TRUE(peer_->tell(buffers.front()->span()));
}

// Whoever does not read what it is told gets bytes instead; nobody waits for it.
TEST_F(PeerTest, ASocketThatIsFullIsNotWaitedFor) {
  SegmentPool pool(own_, 10, 0);
  int told = 0;
  while (peer_->tell(pool.take()->span())) ASSERT_LT(++told, 100'000);
  EXPECT_GT(told, 3);
  while (*receive(liar_.get())) {
  }
  EXPECT_TRUE(peer_->tell(pool.take()->span()));
}

TEST_F(PeerTest, PlacesThatAreNotThereAreAnErrorAndNoMore) {
  const auto segment = *Segment::make(4096);
  ASSERT_TRUE(tell(segment, 1, 4096));
  const Place lies[] = {
      {2, 0, 4},         {0, 0, 4}, {1, 4096, 4},           {1, 0, 4100},
      {1, 2, 4},         {1, 0, 6}, {1, UINT64_MAX - 3, 8}, {1, 8, UINT64_MAX - 3},
      {UINT64_MAX, 0, 0}};
  for (const Place& place : lies) {
    EXPECT_EQ(peer_->floats_at(place).status().code(), StatusCode::kInvalidArgument)
        << place.segment << " " << place.offset << " " << place.bytes;
  }
  EXPECT_TRUE(peer_->floats_at({1, 0, 4096}).ok());
}

// Whoever reads goes on, whatever becomes of the other process or of its segment.
TEST_F(PeerTest, FloatsThatAreReadStay) {
  {
    const auto segment = *Segment::make(4096);
    ASSERT_TRUE(tell(segment, 1, 4096));
  }
  const auto floats = *peer_->floats_at({1, 0, 4096});
  ASSERT_TRUE(send(liar_.get(), {Kind::kGone, 1}));
  EXPECT_TRUE(peer_->receive().ok());
  EXPECT_FALSE(peer_->floats_at({1, 0, 4096}).ok());
  EXPECT_TRUE(all_are(floats.values, 0));
  liar_ = core::Descriptor();
  EXPECT_TRUE(all_are(floats.values, 0));
}

TEST_F(PeerTest, TheOthersEndIsSeen) {
  EXPECT_TRUE(peer_->receive().ok());
  { const core::Descriptor closed = std::move(liar_); }
  EXPECT_EQ(peer_->receive().code(), StatusCode::kUnavailable);
}

TEST_F(PeerTest, HalfAMessageBreaks) {
  send_raw("half", 0);
  expect_broken("no message");
}

TEST_F(PeerTest, MoreThanAMessageBreaks) {
  send_raw(std::string(1000, 'x'), 0);
  expect_broken("no message");
}

TEST_F(PeerTest, AMessageOfAnUnknownKindBreaks) {
  send_raw(std::string(sizeof(Message), '\0'), 0);
  expect_broken("may not send");
}

TEST_F(PeerTest, TwoDescriptorsBreak) {
  send_raw(std::string(sizeof(Message), '\0'), 2);
  expect_broken("no message");
}

TEST_F(PeerTest, AHundredDescriptorsBreak) {
  send_raw(std::string(sizeof(Message), '\0'), 100);
  expect_broken("no message");
}

TEST_F(PeerTest, ADescriptorThatIsNotAskedForIsClosed) {
  send_raw(std::string(sizeof(Message), '\0'), 1);
  expect_broken("may not send");
}

TEST_F(PeerTest, ASegmentWithoutADescriptorBreaks) {
  ASSERT_TRUE(send(liar_.get(), {Kind::kSegment, 1, 4096}));
  expect_broken("not sealed");
}

TEST_F(PeerTest, AnUnsealedSegmentBreaks) {
  const core::Descriptor fd(::memfd_create("lie", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(fd.get(), 4096), 0);
  ASSERT_TRUE(send(liar_.get(), {Kind::kSegment, 1, 4096}, fd.get()));
  expect_broken("not sealed");
}

TEST_F(PeerTest, AnotherSizeThanWasSaidBreaks) {
  ASSERT_TRUE(tell(*Segment::make(4096), 1, 8192));
  expect_broken("said to have");
}

TEST_F(PeerTest, TheSameNumberTwiceBreaks) {
  const auto segment = *Segment::make(4096);
  ASSERT_TRUE(tell(segment, 1, 4096));
  ASSERT_TRUE(tell(segment, 1, 4096));
  expect_broken("may not send");
}

TEST_F(PeerTest, MoreSegmentsThanTheBoundBreak) {
  const auto segment = *Segment::make(4096);
  for (uint64_t number = 1; number <= 4; ++number) ASSERT_TRUE(tell(segment, number, 4096));
  expect_broken("may not send");
}

TEST_F(PeerTest, MoreBytesThanTheBoundBreak) {
  const auto segment = *Segment::make(3 * 4096);
  ASSERT_TRUE(tell(segment, 1, 3 * 4096));
  EXPECT_TRUE(peer_->receive().ok());
  ASSERT_TRUE(tell(segment, 2, 3 * 4096));
  expect_broken("at most 8192");
}

TEST_F(PeerTest, AnEndOfWhatWasNeverToldBreaks) {
  ASSERT_TRUE(send(liar_.get(), {Kind::kGone, 1}));
  expect_broken("may not send");
}

}  // namespace
}  // namespace sluice::memory
