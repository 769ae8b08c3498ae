#include "memory/door.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <thread>
#include <vector>

#include "tests/memory/segment_pool.h"
#include "tests/memory/shared.h"

namespace sluice::memory {
namespace {

// Whether the door has hung up, for which it may take a moment.
bool hung_up(const core::Descriptor& socket) {
  pollfd waiting{socket.get(), POLLIN, 0};
  return ::poll(&waiting, 1, 60'000) == 1 && !receive(socket.get()).ok();
}

class DoorTest : public testing::Test {
 protected:
  core::Descriptor stranger() const { return connect_to(door_->plate().name); }
  bool says_hello(const core::Descriptor& socket, uint64_t key, uint64_t token, int fd) const {
    return send(socket.get(), {Kind::kHello, key, door_->plate().key[1], token}, fd);
  }
  uint64_t key() const { return door_->plate().key[0]; }
  void expect_open() { EXPECT_TRUE(visit_to(door_->plate(), std::make_shared<Segments>())); }

  const std::shared_ptr<Segments> own_ = std::make_shared<Segments>();
  std::unique_ptr<Door> door_ =
      open_door(own_, {.guests = 3, .strangers = 4, .patience = std::chrono::hours(1)});
  const Segment word_ = *Segment::make(kWordSegment);
};

TEST_F(DoorTest, LetsInWhoKnowsTheKeyAndSeesItGo) {
  ASSERT_TRUE(door_);
  auto visit = visit_to(door_->plate(), std::make_shared<Segments>());
  ASSERT_TRUE(visit);
  EXPECT_TRUE(door_->find(visit->token()));
  EXPECT_FALSE(door_->find(visit->token() + 1));
  visit.reset();
  EXPECT_TRUE(await([&] { return door_->guests() == 0; }));
}

TEST_F(DoorTest, EveryDoorHasItsOwnNameAndKey) {
  const auto other = open_door(own_);
  EXPECT_NE(other->plate().name, door_->plate().name);
  EXPECT_NE(other->plate().key, door_->plate().key);
}

TEST_F(DoorTest, AWrongKeyIsHungUpOn) {
  const core::Descriptor socket = stranger();
  ASSERT_TRUE(says_hello(socket, key() + 1, 1, word_.fd()));
  EXPECT_TRUE(hung_up(socket));
  EXPECT_EQ(door_->guests(), 0u);
  expect_open();
}

TEST_F(DoorTest, AHelloWithoutAWordOrWithAFileIsHungUpOn) {
  const core::Descriptor none = stranger(), unsealed = stranger(), large = stranger();
  ASSERT_TRUE(says_hello(none, key(), 1, -1));
  const core::Descriptor lie(::memfd_create("lie", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(lie.get(), kWordSegment), 0);
  ASSERT_TRUE(says_hello(unsealed, key(), 2, lie.get()));
  ASSERT_TRUE(says_hello(large, key(), 3, Segment::make(2 * kWordSegment)->fd()));
  EXPECT_TRUE(hung_up(none));
  EXPECT_TRUE(hung_up(unsealed));
  EXPECT_TRUE(hung_up(large));
  EXPECT_EQ(door_->guests(), 0u);
}

TEST_F(DoorTest, OtherWordsThanHelloAreHungUpOn) {
  const core::Descriptor half = stranger(), early = stranger();
  ASSERT_EQ(::send(half.get(), "half", 4, MSG_NOSIGNAL), 4);
  ASSERT_TRUE(send(early.get(), {Kind::kSegment, 1, kWordSegment}, word_.fd()));
  EXPECT_TRUE(hung_up(half));
  EXPECT_TRUE(hung_up(early));
  expect_open();
}

TEST_F(DoorTest, NobodyCanTakeAnothersToken) {
  const auto visit = visit_to(door_->plate(), std::make_shared<Segments>());
  ASSERT_TRUE(visit);
  const core::Descriptor thief = stranger();
  ASSERT_TRUE(says_hello(thief, key(), visit->token(), word_.fd()));
  EXPECT_TRUE(hung_up(thief));
  EXPECT_TRUE(visit->status().ok());
}

TEST_F(DoorTest, NoMoreGuestsThanTheBound) {
  std::vector<std::unique_ptr<Visit>> visits;
  for (int i = 0; i < 3; ++i) {
    visits.push_back(visit_to(door_->plate(), std::make_shared<Segments>()));
    ASSERT_TRUE(visits.back());
  }
  const core::Descriptor fourth = stranger();
  ASSERT_TRUE(says_hello(fourth, key(), 1, word_.fd()));
  EXPECT_TRUE(hung_up(fourth));
}

TEST_F(DoorTest, WhoSaysNothingIsHungUpOn) {
  door_ = open_door(own_, {.patience = std::chrono::milliseconds(20)});
  EXPECT_TRUE(hung_up(stranger()));
}

TEST_F(DoorTest, AnyNumberOfThemKeepNobodyOutAndCostNoMoreThanTheBound) {
  const size_t files = open_files();
  std::vector<core::Descriptor> silent;
  while (silent.size() < 100) silent.push_back(stranger());
  expect_open();
  EXPECT_TRUE(await([&] { return open_files() <= files + 100 + 4; }));
}

TEST_F(DoorTest, AGuestThatBreaksTheRulesIsHungUpOnAndTheOthersAreNot) {
  const auto good = visit_to(door_->plate(), std::make_shared<Segments>());
  ASSERT_TRUE(good);
  const core::Descriptor bad = stranger();
  ASSERT_TRUE(says_hello(bad, key(), 1, word_.fd()));
  ASSERT_TRUE(await([&] { return door_->find(1) != nullptr; }));
  const auto guest = door_->find(1);
  EXPECT_TRUE(*receive(bad.get())) << "the welcome";
  for (uint64_t number = 0; number < 5; ++number) send(bad.get(), {Kind::kGone, number});
  EXPECT_TRUE(await([&] { return door_->find(1) == nullptr; }));
  EXPECT_TRUE(hung_up(bad)) << "although somebody still has the guest";
  EXPECT_TRUE(good->status().ok());
  EXPECT_TRUE(door_->find(good->token()));
}

TEST_F(DoorTest, AGuestsEndLetsGoOfItsLeases) {
  SegmentPool pool(own_, 1000, 2);
  auto visit = visit_to(door_->plate(), std::make_shared<Segments>());
  ASSERT_TRUE(visit);
  const auto call = visit->begin({}, nullptr);
  ASSERT_TRUE(call);
  {
    const auto snapshot = pool.take();
    ASSERT_TRUE(door_->find(visit->token())->lend(call->number, snapshot->span(), snapshot));
  }
  EXPECT_EQ(pool.idle(), 0u);
  visit.reset();
  EXPECT_TRUE(await([&] { return pool.idle() == 1; }));
}

// Out of descriptors, whoever comes waits until there are some.
TEST_F(DoorTest, OutOfDescriptorsItGoesOn) {
  const auto visit = visit_to(door_->plate(), std::make_shared<Segments>());
  ASSERT_TRUE(visit);
  const core::Descriptor late(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t length = door_->plate().name.copy(address.sun_path + 1, 100);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low{3, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const int connected = ::connect(late.get(), reinterpret_cast<const sockaddr*>(&address), size);
  const bool said = says_hello(late, key(), 2, word_.fd());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // so that the door tries, as a rule
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(connected, 0);
  EXPECT_TRUE(said);
  EXPECT_TRUE(await([&] { return door_->find(2) != nullptr; }));
  EXPECT_TRUE(visit->status().ok());
}

TEST_F(DoorTest, ItsEndIsSeenAndLeavesNothing) {
  const auto visit = visit_to(door_->plate(), std::make_shared<Segments>());
  ASSERT_TRUE(visit);
  const Doorplate plate = door_->plate();
  const size_t files = open_files();
  door_.reset();
  EXPECT_EQ(visit->status().code(), StatusCode::kUnavailable);
  EXPECT_LT(open_files(), files);
  EXPECT_FALSE(connect_to(plate.name).valid());
  EXPECT_FALSE(visit->begin({}, nullptr));
}

}  // namespace
}  // namespace sluice::memory
