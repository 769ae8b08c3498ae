#include "memory/leases.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "tests/memory/shared.h"

namespace sluice::memory {
namespace {

using Owner = std::shared_ptr<const int>;
Owner owner() { return std::make_shared<const int>(0); }

std::shared_ptr<const Segment> word() {
  return std::make_shared<const Segment>(*Segment::make(kWordSegment));
}
PeerWord seen(const std::shared_ptr<const Segment>& own) {
  return PeerWord(*PeerSegment::map(copy_of(own->fd()), kWordSegment, kWordSegment));
}

class LeasesTest : public testing::Test {
 protected:
  uint64_t begin(const Owner& update = nullptr) { return *worker_.begin(update); }

  const std::shared_ptr<const Segment> workers_ = word(), servers_ = word();
  CallerLeases worker_{OwnWord(workers_), seen(servers_), 4};
  const std::shared_ptr<ServerLeases> server_ =
      std::make_shared<ServerLeases>(OwnWord(servers_), seen(workers_), 4);
};

TEST_F(LeasesTest, ASnapshotIsKeptUntilTheWorkerIsDoneWithItAndAllBefore) {
  const Owner first = owner(), second = owner();
  const uint64_t a = begin(), b = begin();
  ASSERT_TRUE(server_->hold(a, first));
  ASSERT_TRUE(server_->hold(b, second));
  server_->release();
  EXPECT_EQ(server_->size(), 2u);
  worker_.answered(b);
  server_->release();
  EXPECT_EQ(second.use_count(), 2) << "a is still read, and the word says up to where";
  worker_.answered(a);
  server_->release();
  EXPECT_EQ(first.use_count(), 1);
  EXPECT_EQ(second.use_count(), 1);
}

TEST_F(LeasesTest, ASnapshotIsNotLentForACallThatNobodyWaitsForAnyMore) {
  const uint64_t call = begin();
  worker_.given_up(call);
  const Owner snapshot = owner();
  EXPECT_FALSE(server_->hold(call, snapshot));
  EXPECT_EQ(snapshot.use_count(), 1);
}

TEST_F(LeasesTest, AnUpdateIsLetGoOfWithItsAnswer) {
  const Owner update = owner();
  const uint64_t call = begin(update);
  EXPECT_EQ(update.use_count(), 2);
  EXPECT_TRUE(server_->claim(call));
  worker_.answered(call);
  EXPECT_EQ(update.use_count(), 1);
}

TEST_F(LeasesTest, AnUpdateWhoseCallWasGivenUpIsKeptWhileTheServerReadsIt) {
  const Owner update = owner();
  const uint64_t call = begin(update);
  auto claim = server_->claim(call);
  ASSERT_TRUE(claim);
  worker_.given_up(call);
  worker_.answered(begin());
  EXPECT_EQ(update.use_count(), 2);
  claim.reset();
  worker_.answered(begin());
  EXPECT_EQ(update.use_count(), 1);
}

TEST_F(LeasesTest, AnUpdateWhoseCallWasLostIsLetGoOfAfterTheNextOne) {
  const Owner update = owner();
  worker_.given_up(begin(update));
  const uint64_t next = begin();
  server_->claim(next).reset();
  worker_.answered(next);
  worker_.answered(begin());
  EXPECT_EQ(update.use_count(), 1);
}

TEST_F(LeasesTest, AGivenUpCallThatComesLateIsRefused) {
  const Owner update = owner();
  const uint64_t late = begin(update), other = begin();
  auto claim = server_->claim(other);
  worker_.given_up(late);
  worker_.answered(other);
  claim.reset();
  EXPECT_FALSE(server_->claim(late)) << "its update may be written again already";
}

TEST_F(LeasesTest, TheServersWordWaitsForWhatMayStillCome) {
  const Owner update = owner();
  const uint64_t slow = begin(update), fast = begin();
  server_->claim(fast).reset();
  worker_.answered(fast);
  worker_.answered(begin());
  auto claim = server_->claim(slow);
  EXPECT_TRUE(claim);
  EXPECT_EQ(update.use_count(), 2);
}

TEST_F(LeasesTest, ACallIsClaimedOnce) {
  const uint64_t call = begin();
  const auto claim = server_->claim(call);
  EXPECT_TRUE(claim);
  EXPECT_FALSE(server_->claim(call));
  EXPECT_FALSE(server_->claim(0)) << "no call has that number";
}

TEST_F(LeasesTest, NobodyHoldsMoreThanTheBound) {
  std::vector<std::shared_ptr<const void>> claims;
  for (uint64_t call = 100; call < 104; ++call) {
    EXPECT_TRUE(server_->hold(call, owner()));
    claims.push_back(server_->claim(call));
    EXPECT_TRUE(claims.back());
    EXPECT_TRUE(worker_.begin(owner()));
  }
  EXPECT_FALSE(server_->hold(104, owner()));
  EXPECT_FALSE(server_->claim(104));
  EXPECT_FALSE(worker_.begin(owner()));
}

TEST_F(LeasesTest, AWorkerThatSaysItIsDoneWithTheFutureHarmsItselfOnly) {
  const uint64_t call = begin();
  const Owner snapshot = owner();
  ASSERT_TRUE(server_->hold(call, snapshot));
  OwnWord(workers_).raise(UINT64_MAX);
  server_->release();
  EXPECT_EQ(snapshot.use_count(), 1);
  EXPECT_FALSE(server_->hold(call + 1, snapshot));
  EXPECT_FALSE(server_->claim(call + 1));
  // Nor can it take that back.
  std::memset(workers_->bytes().data(), 0, 8);
  EXPECT_FALSE(server_->claim(call + 1));
}

TEST_F(LeasesTest, AServerThatSaysItIsDoneWithTheFutureHarmsItselfOnly) {
  const Owner update = owner();
  begin(update);
  OwnWord(servers_).raise(UINT64_MAX);
  const uint64_t next = begin();
  EXPECT_EQ(update.use_count(), 1);
  worker_.answered(next);
}

TEST_F(LeasesTest, CloseLetsGoOfEverythingForGood) {
  const Owner snapshot = owner();
  ASSERT_TRUE(server_->hold(begin(), snapshot));
  server_->close();
  EXPECT_EQ(snapshot.use_count(), 1);
  EXPECT_FALSE(server_->hold(begin(), snapshot));
}

}  // namespace
}  // namespace sluice::memory
