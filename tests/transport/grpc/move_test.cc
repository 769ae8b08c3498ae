// A move of shards is called off while a server waits for others: over real connections, whose
// answers come on the threads that calls come on.
#include "wire/move.h"

#include <gtest/gtest.h>

#include <future>
#include <optional>

#include "client/parameter_client.h"
#include "core/real_world.h"
#include "server/parameter_server.h"
#include "tests/support/unused_service.h"
#include "tests/support/update_rules.h"
#include "tests/transport/transport_fixture.h"
#include "transport/grpc/grpc_transport.h"

namespace sluice::transport {
namespace {

constexpr uint64_t kMovedJob = 5;

// A server that does not answer pulls.
class SilentSource final : public UnusedService {
 public:
  ~SilentSource() override {
    if (pull_) (*pull_)(cancelled("the test is over"));
  }
  void pull(const wire::PullRequest&, core::Reply<Result<wire::PullReply>> reply) override {
    if (pull_) return reply(unavailable("one is enough"));
    pull_.emplace(std::move(reply));
    asked_.set_value();
  }
  void wait_for_a_pull() { asked_.get_future().wait(); }

 private:
  std::optional<core::Reply<Result<wire::PullReply>>> pull_;
  std::promise<void> asked_;
};

TEST(GrpcMoveTest, IsCalledOffWhileAServerWaitsForAnother) {
  core::World& world = core::real_world();
  GrpcTransport transport, driver;
  SilentSource source;
  const auto source_listener = *driver.listen("127.0.0.1:0", &source, {});
  const auto timers = world.make_strand("timers");
  server::ParameterServer server(world, 1, {}, [&](uint64_t job, const wire::Placement& placement) {
    return std::make_unique<client::ParameterClient>(world, transport, timers, job, placement,
                                                     client::ExchangeOptions{},
                                                     [](const std::string&) {});
  });
  server.serve_job(kMovedJob);
  wire::ListenOptions one_thread;
  one_thread.threads = 1;
  auto listener = *transport.listen("127.0.0.1:0", &server, one_thread);
  const auto channel = driver.connect_parameters(listener->address());
  wire::MoveRequest take{.job = kMovedJob, .revision = 1, .step = wire::MoveStep::kTake};
  take.from = wire::ShardMap::even(32, 1, 1);
  take.next = {kMovedJob, wire::ShardMap::even(32, 2, 2), 1, add_rule_json(), {4}, 1};
  take.servers = {source_listener->address()};
  take.shards.resize(1);
  std::promise<Status> taken;
  channel->move(take, {std::chrono::seconds(30)},
                [&](const auto& reply) { taken.set_value(reply.status()); });
  source.wait_for_a_pull();
  const auto thawed = await_result<wire::MoveReply>([&](auto reply) {
    channel->move({.job = kMovedJob, .revision = 1, .step = wire::MoveStep::kThaw}, kSoon,
                  std::move(reply));
  });
  EXPECT_TRUE(thawed.ok()) << thawed.status();
  EXPECT_EQ(taken.get_future().get().code(), StatusCode::kCancelled);
  const auto pong = await_result<wire::PingReply>(
      [&](auto reply) { channel->ping(kMovedJob, kSoon, std::move(reply)); });
  EXPECT_TRUE(pong.ok()) << pong.status();
}

}  // namespace
}  // namespace sluice::transport
