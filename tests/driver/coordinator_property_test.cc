// Whatever happens, in any order: what must always hold of a coordinator.
#include <gmock/gmock.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "core/rng.h"
#include "tests/driver/coordinator_fixture.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;

// A job, its members and its driver as chance wants them.
class RandomJob {
 public:
  explicit RandomJob(uint64_t seed) : chance_(seed) {}

  void step() {
    switch (below(10)) {
      case 0:
        return join();
      case 1:
        return acquire();
      case 2:
        return decide_grant();
      case 3:
        return leave_or_die();
      case 4:
        return finish();
      case 5:
        t_ += std::chrono::milliseconds(below(20) == 0 ? below(100'000) : below(700));
        return coordinator_.tick(t_);
      case 6:
      case 7:
        return tick_when_due();
      default:
        return beat();
    }
  }

  // The driver's loop must never be busy for nothing.
  void tick_when_due() {
    const core::TimePoint due = coordinator_.next_event();
    if (due == core::TimePoint::max()) return;
    t_ = std::max(t_, due);
    coordinator_.tick(t_);
    ASSERT_GT(coordinator_.next_event(), t_);
  }

  // Nobody says anything any more.
  void fall_silent() {
    const core::TimePoint end = t_ + 200s;
    while (coordinator_.next_event() <= end) {
      tick_when_due();
      if (testing::Test::HasFatalFailure()) return;
    }
  }

  const Coordinator& coordinator() const { return coordinator_; }
  int64_t finished() const { return finished_; }  // leases, as of the last check_events()

  // Each push is trained, held by one who lives, or free.
  void check_leases() {
    const LeaseTable& leases = coordinator_.leases();
    size_t holders = 0;
    int64_t held = 0;
    for (const auto& [id, member] : coordinator_.members()) {
      if (member.partition < 0) continue;
      ASSERT_TRUE(member.alive);
      ASSERT_EQ(leases.holder(member.lease), id);
      ++holders;
      held += leases.find(member.lease)->size();
    }
    ASSERT_EQ(leases.held(), holders);
    ASSERT_LE(held, leases.left());
    if (coordinator_.phase() != Phase::kTraining) return;
    ASSERT_FALSE(leases.all_trained());
    ASSERT_EQ(leases.any_free(), held < leases.left());
    ASSERT_EQ(coordinator_.has_work(),
              leases.any_free() && coordinator_.live(wire::Role::kWorker) >= 2);
  }
  void check_members() {
    for (const wire::Role role : {wire::Role::kServer, wire::Role::kWorker}) {
      std::set<int> indexes;
      for (const auto& [id, member] : coordinator_.members()) {
        if (!member.alive || member.name.role != role) continue;
        ASSERT_TRUE(indexes.insert(member.name.index).second) << "a number given twice";
      }
      ASSERT_EQ(coordinator_.live(role), static_cast<int>(indexes.size()));
    }
  }
  // Servers hold no lease, and whoever has news is given up, or has lost a part of its lease,
  // unless it is everybody.
  void check_events() {
    const std::vector<JobEvent> events = coordinator_.take_events();
    finished_ += static_cast<int64_t>(of_kind<LeaseFinished>(events).size());
    for (const MemberEnded& ended : of_kind<MemberEnded>(events)) {
      ASSERT_TRUE(ended.partition < 0 || ended.who.role == wire::Role::kWorker);
    }
    for (const int64_t member : coordinator_.take_news()) {
      const Member& whose = coordinator_.members().at(member);
      const bool cut = std::ranges::any_of(of_kind<LeaseCut>(events), [&](const LeaseCut& lease) {
        return lease.holder.index == whose.name.index;
      });
      ASSERT_TRUE(!whose.alive || cut || coordinator_.over());
    }
  }

 private:
  static constexpr int64_t kPartitions = 4;

  static CoordinatorOptions options() {
    CoordinatorOptions options;
    options.job = 42;
    options.servers = 2;
    options.partition_records.assign(kPartitions, 10);
    options.min_workers = 2;
    options.max_workers = 5;
    // Ten steps an epoch, windows of four.
    options.plan = std::make_shared<PushPlan>(std::vector<int64_t>(kPartitions, 8),
                                              std::vector<int64_t>(kPartitions, 10), 3,
                                              [](int64_t push, int64_t) { return 4 * push; });
    options.stall_timeout = 40s;
    options.idle_timeout = 60s;
    return options;
  }

  int64_t below(int64_t n) { return static_cast<int64_t>(chance_.below(static_cast<uint64_t>(n))); }

  void join() {
    auto request =
        join_request(below(3) == 0 ? wire::Role::kServer : wire::Role::kWorker, 1 + below(3));
    request.process.started = below(3);
    request.preferred_index = static_cast<int>(below(4)) - 1;
    if (below(4) == 0) request.attempt = static_cast<uint64_t>(1 + below(3));
    const auto reply = coordinator_.join(request, t_);
    if (reply.ok()) members_.push_back(reply->member);
    if (coordinator_.phase() == Phase::kWaitingForServers && coordinator_.servers_ready()) {
      coordinator_.start_training(wire::ShardMap::even(100, 2, 2), t_);
    }
  }
  int64_t any_member() {
    return members_.empty()
               ? 7
               : members_[static_cast<size_t>(below(static_cast<int64_t>(members_.size())))];
  }
  int64_t any_worker() {
    for (int tries = 0; tries < 5; ++tries) {
      const auto found = coordinator_.members().find(any_member());
      if (found == coordinator_.members().end()) continue;
      if (found->second.name.role == wire::Role::kWorker) return found->first;
    }
    return 7;
  }
  uint64_t any_job() { return below(50) == 0 ? 43 : 42; }

  void acquire() {
    const auto reply = coordinator_.acquire({any_job(), any_worker()}, t_);
    if (!reply.ok() || reply->kind != wire::AcquireReply::Kind::kGranted) return;
    grants_.push_back(reply->lease);
    leases_.push_back(reply->lease);
  }
  void decide_grant() {
    if (grants_.empty()) return;
    const wire::Lease lease = grants_.back();
    grants_.pop_back();
    if (below(4) == 0) {
      coordinator_.not_granted(lease, "server 1 does not answer", t_);
    } else {
      wire::Lease begun = lease;
      begun.next_sequence += below(4) == 0 ? below(lease.last - lease.next_sequence + 2) : 0;
      (void)coordinator_.granted(begun, t_);
    }
  }
  wire::Lease any_lease() {
    if (leases_.empty()) return {};
    return leases_[leases_.size() - 1 -
                   static_cast<size_t>(
                       below(std::min<int64_t>(3, static_cast<int64_t>(leases_.size()))))];
  }
  void beat() {
    wire::HeartbeatRequest request;
    request.job = any_job();
    request.member = any_member();
    if (const auto found = coordinator_.members().find(request.member);
        found != coordinator_.members().end() && found->second.partition >= 0) {
      const wire::Lease lease = any_lease();
      request.partition = lease.partition;
      request.incarnation = lease.incarnation;
    }
    request.activity = below(3);
    request.step = below(20) == 0 ? std::numeric_limits<int64_t>::max() : below(30);
    request.last = below(9);
    if (below(5) == 0) request.waiting_for = "server 0";
    (void)coordinator_.heartbeat(request, t_);
  }
  void finish() {
    const wire::Lease lease = any_lease();
    (void)coordinator_.finish({any_job(), any_worker(), lease.partition, lease.incarnation}, t_);
  }
  void leave_or_die() {
    if (below(4) != 0) return;
    const int64_t member = any_worker();
    switch (below(5)) {
      case 0:
        return (void)coordinator_.leave({42, member, ok_status()}, t_);
      case 1:
        return (void)coordinator_.leave({42, member, unavailable("server 0 is silent")}, t_);
      case 2:
        return (void)coordinator_.leave({42, member, invalid_argument("unknown layer")}, t_);
      case 3:
        return coordinator_.process_ended("hosta", 1 + below(60), "was killed", t_);
      default:
        if (below(30) == 0) coordinator_.abort("stopped", t_);
    }
  }

  core::Rng chance_;
  core::TimePoint t_{1h};
  Coordinator coordinator_{options(), t_};
  int64_t finished_ = 0;
  std::vector<int64_t> members_;
  std::vector<wire::Lease> grants_;  // being fenced
  std::vector<wire::Lease> leases_;
};

class CoordinatorPropertyTest : public testing::TestWithParam<int> {};

TEST_P(CoordinatorPropertyTest, HoldsWhateverHappens) {
  int trained = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed + 1000 * GetParam());
    RandomJob job(seed + 1000 * static_cast<uint64_t>(GetParam()));
    for (int i = 0; i < 400; ++i) {
      job.step();
      job.check_events();
      job.check_leases();
      job.check_members();
      if (HasFatalFailure()) return;
    }
    trained += job.finished() > 0 ? 1 : 0;
    // No silent waiting: every wait has an end.
    job.fall_silent();
    if (HasFatalFailure()) return;
    ASSERT_TRUE(job.coordinator().over());
    ASSERT_EQ(job.coordinator().live(wire::Role::kWorker), 0);
    ASSERT_EQ(job.coordinator().live(wire::Role::kServer), 0);
    ASSERT_EQ(job.coordinator().next_event(), core::TimePoint::max());
  }
  EXPECT_GT(trained, 20) << "of 200: these jobs are not worth much";
}

INSTANTIATE_TEST_SUITE_P(Seeds, CoordinatorPropertyTest, testing::Range(0, 5));

}  // namespace
}  // namespace sluice::driver
