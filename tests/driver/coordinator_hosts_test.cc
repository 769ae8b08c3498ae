// Where members are: which cores they share, and at which addresses they are reached.
#include <gmock/gmock.h>

#include <memory>

#include "tests/driver/coordinator_fixture.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Granted = wire::AcquireReply::Kind;

class CoordinatorHostsTest : public CoordinatorFixture {
 protected:
  // A job that was told of so many workers, and whose server is there.
  void restart(int workers, core::Duration gather) {
    CoordinatorOptions changed = options();
    changed.partition_records = {100, 100, 100, 100};
    changed.workers = workers;
    changed.gather = gather;
    std::destroy_at(&coordinator);
    std::construct_at(&coordinator, changed, t);
  }

  int64_t join_worker(const std::string& machine, int64_t pid,
                      const std::vector<core::CorePool>& cores) {
    auto request = join_request(wire::Role::kWorker, pid);
    request.process = {machine + "-" + std::to_string(pid), machine, pid, 1};
    request.cores = cores;
    return join(request);
  }
  int64_t join_worker_from(const std::string& host, const std::string& called) {
    auto request = join_request(wire::Role::kWorker, ++pid_);
    request.came_from = host;
    request.came_to = called;
    return join(request);
  }
  void start_with(const wire::JoinRequest& server_request) {
    join(server_request);
    coordinator.start_training(wire::ShardMap::even(100, 1, 1), t);
  }

  int64_t pid_ = 100;
};

// --- Cores ---

TEST_F(CoordinatorHostsTest, WorkersOfOneMachineShareItsCores) {
  restart(3, 0s);
  start();
  const int64_t a = join_worker("a", 10, {{"machine", 8}});
  const int64_t b = join_worker("a", 11, {{"machine", 8}});
  const int64_t elsewhere = join_worker("b", 10, {{"machine", 8}});
  EXPECT_EQ(acquire(a).threads, 4);
  EXPECT_EQ(acquire(b).threads, 4);
  EXPECT_EQ(acquire(elsewhere).threads, 8);
}

TEST_F(CoordinatorHostsTest, AShareIsAtLeastOneCore) {
  restart(3, 0s);
  start();
  join_worker("a", 10, {{"machine", 2}});
  join_worker("a", 11, {{"machine", 2}});
  EXPECT_EQ(acquire(join_worker("a", 12, {{"machine", 2}})).threads, 1);
}

// There are four partitions, and nothing to do for more workers.
TEST_F(CoordinatorHostsTest, WhoOnlyStandsByTakesNoCores) {
  restart(3, 0s);
  start();
  int64_t worker = 0;
  for (int pid = 10; pid < 16; ++pid) worker = join_worker("a", pid, {{"machine", 8}});
  EXPECT_EQ(acquire(worker).threads, 2);
}

TEST_F(CoordinatorHostsTest, TheTightestPoolCounts) {
  restart(3, 0s);
  start();
  const core::CorePool machine{"machine", 64};
  // Two processes in a container of two cores, one in a container of its own with a quota of four.
  const int64_t a = join_worker("a", 10, {machine, {"cgroup 7", 2}});
  join_worker("a", 11, {machine, {"cgroup 7", 2}});
  const int64_t c = join_worker("a", 12, {machine, {"cgroup 8", 4}});
  EXPECT_EQ(acquire(a).threads, 1);
  EXPECT_EQ(acquire(c).threads, 4);
}

TEST_F(CoordinatorHostsTest, QuotasThatPromiseMoreThanTheMachineHasAreShared) {
  restart(3, 0s);
  start();
  const core::CorePool machine{"machine", 4};
  const int64_t a = join_worker("a", 10, {machine, {"cgroup 7", 4}});
  join_worker("a", 11, {machine, {"cgroup 8", 4}});
  EXPECT_EQ(acquire(a).threads, 2);
}

TEST_F(CoordinatorHostsTest, WhoIsGoneSharesNoMore) {
  restart(2, 0s);
  start();
  const int64_t a = join_worker("a", 10, {{"machine", 8}});
  const int64_t b = join_worker("a", 11, {{"machine", 8}});
  EXPECT_EQ(acquire(a).threads, 4);
  EXPECT_TRUE(leave(b, ok_status()).ok());
  EXPECT_EQ(acquire(a).threads, 8);
}

TEST_F(CoordinatorHostsTest, WhoSaysNothingOfItsCoresKnowsBestItself) {
  start();
  EXPECT_EQ(acquire(join_worker("a", 10, {})).threads, 0);
}

// --- GPUs ---

TEST_F(CoordinatorHostsTest, WorkersSpreadOverTheGpusThatTheySee) {
  const auto gpu_of = [this](const std::vector<std::string>& gpus) {
    auto request = join_request(wire::Role::kWorker, ++pid_);
    request.gpus = gpus;
    return coordinator.join(request, t)->gpu;
  };
  EXPECT_EQ(gpu_of({"GPU-b"}), "GPU-b");  // a container that sees one of two
  EXPECT_EQ(gpu_of({"GPU-a", "GPU-b"}), "GPU-a");
  EXPECT_EQ(gpu_of({"GPU-a", "GPU-b"}), "GPU-a") << "each has one, the first will do";
  EXPECT_EQ(gpu_of({"GPU-a", "GPU-b"}), "GPU-b");
  EXPECT_EQ(gpu_of({}), "");
  coordinator.process_ended("hosta", 101, "was killed", t);  // who sees GPU-b alone
  EXPECT_EQ(gpu_of({"GPU-a", "GPU-b"}), "GPU-b");
}

// --- The first leases ---

TEST_F(CoordinatorHostsTest, TheFirstLeasesWaitUntilAllWorkersAreThere) {
  restart(2, 3s);
  start();
  const int64_t a = join_worker("a", 10, {{"machine", 2}});
  const auto early = acquire(a);
  EXPECT_EQ(early.kind, Granted::kWait);
  EXPECT_EQ(early.reason, "1 of 2 worker(s) to join");
  EXPECT_FALSE(coordinator.has_work());
  join_worker("a", 11, {{"machine", 2}});
  EXPECT_TRUE(coordinator.has_work());
  const auto lease = acquire(a);
  EXPECT_EQ(lease.kind, Granted::kGranted);
  EXPECT_EQ(lease.threads, 1);
}

TEST_F(CoordinatorHostsTest, ButNotForLong) {
  restart(2, 3s);
  start();
  const int64_t a = join_worker("a", 10, {{"machine", 2}});
  advance(2900ms);
  EXPECT_FALSE(coordinator.has_work());
  advance(100ms);
  EXPECT_TRUE(coordinator.has_work());
  EXPECT_EQ(acquire(a).kind, Granted::kGranted);
}

TEST_F(CoordinatorHostsTest, AllThatIsMissingIsNamedAtOnce) {
  restart(3, 0s);
  join_worker("a", 10, {});
  advance(1s);
  ASSERT_THAT(waits(),
              testing::Contains("1 of 1 parameter server(s) and 2 of 3 worker(s) to join"));
  join(wire::Role::kServer, 1);
  EXPECT_THAT(waits(), ElementsAre("the parameter servers to take the model"));
}

// --- Addresses ---

TEST_F(CoordinatorHostsTest, AServerMayAlsoBeWhereItCameFrom) {
  auto request = join_request(wire::Role::kServer, 1);
  request.came_from = "10.0.0.2";
  join(request);
  EXPECT_THAT(coordinator.possible_addresses(0), ElementsAre("hosta:7001", "10.0.0.2:7001"));
}

TEST_F(CoordinatorHostsTest, AddressesOfIPv6AreWrittenInBrackets) {
  auto request = join_request(wire::Role::kServer, 1);
  request.came_from = "fd00::2";
  join(request);
  EXPECT_THAT(coordinator.possible_addresses(0), ElementsAre("hosta:7001", "[fd00::2]:7001"));
}

TEST_F(CoordinatorHostsTest, ThereIsNoOtherAddressWhereNoneIsKnown) {
  auto request = join_request(wire::Role::kServer, 1);
  join(request);
  EXPECT_THAT(coordinator.possible_addresses(0), ElementsAre("hosta:7001"));
}

TEST_F(CoordinatorHostsTest, NorForASocketOfThisHostNorForTheSameOne) {
  for (const char* address : {"unix:/tmp/socket", "10.0.0.2:7001"}) {
    restart(0, 0s);
    auto request = join_request(wire::Role::kServer, 1);
    request.address = address;
    request.came_from = "10.0.0.2";
    join(request);
    EXPECT_THAT(coordinator.possible_addresses(0), ElementsAre(address));
  }
}

TEST_F(CoordinatorHostsTest, WorkersAreToldTheAddressThatWorks) {
  auto request = join_request(wire::Role::kServer, 1);
  request.came_from = "10.0.0.2";
  request.address_guessed = true;
  join(request);
  coordinator.server_found(0, "10.0.0.2:7001", "nobody knows hosta", t);
  coordinator.start_training(wire::ShardMap::even(100, 1, 1), t);
  const auto found = of_kind<ServerFound>(coordinator.take_events());
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].announced, "hosta:7001");
  EXPECT_EQ(found[0].address, "10.0.0.2:7001");
  EXPECT_THAT(acquire(join_worker_from("10.0.0.3", "10.0.0.1")).parameters.servers,
              ElementsAre("10.0.0.2:7001"));
}

TEST_F(CoordinatorHostsTest, ItIsNoNewsThatAServerIsWhereItSaid) {
  join(wire::Role::kServer, 1);
  coordinator.server_found(0, "hosta:7001", "", t);
  EXPECT_THAT(of_kind<ServerFound>(coordinator.take_events()), IsEmpty());
}

// It came over the loopback of the driver's host, and guessed that others know the host's name.
TEST_F(CoordinatorHostsTest, AServerBesideTheDriverIsReachedAsTheDriverIs) {
  auto request = join_request(wire::Role::kServer, 1);
  request.came_from = "127.0.0.1";
  request.address_guessed = true;
  start_with(request);
  EXPECT_THAT(acquire(join_worker_from("10.0.0.3", "10.0.0.1")).parameters.servers,
              ElementsAre("10.0.0.1:7001"));
  EXPECT_THAT(acquire(join_worker_from("127.0.0.1", "127.0.0.1")).parameters.servers,
              ElementsAre("hosta:7001"));
  EXPECT_THAT(acquire(join_worker_from("", "")).parameters.servers, ElementsAre("hosta:7001"));
}

TEST_F(CoordinatorHostsTest, AnAddressThatWasChosenStands) {
  auto request = join_request(wire::Role::kServer, 1);
  request.came_from = "127.0.0.1";
  start_with(request);
  EXPECT_THAT(acquire(join_worker_from("10.0.0.3", "10.0.0.1")).parameters.servers,
              ElementsAre("hosta:7001"));
}

}  // namespace
}  // namespace sluice::driver
