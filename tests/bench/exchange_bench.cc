// How fast parameters are exchanged, against a bare gRPC echo of the same bytes.
//
//   sluice_exchange_bench [--rounds N] [--shards N] [--threads N] [--calls N] [--json FILE]
//
// Client and server are two processes. An exchange sends an update of all parameters, applies it at
// the server, and receives the new values: the echo only sends the bytes there and back, in one
// message or in as many as there are shards, whichever is faster. Both are measured in turns; the
// medians are compared. GB/s count the bytes of both directions.
//
// Where both processes share memory an exchange is compared with what cannot be left out: the
// server's update and one copy of the values, in one process.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "client/parameter_client.h"
#include "core/real_world.h"
#include "server/parameter_server.h"
#include "tests/bench/exchange_child.h"
#include "tests/bench/exchange_echo.h"
#include "tests/support/await.h"
#include "tests/support/update_rules.h"
#include "transport/grpc/grpc_transport.h"

namespace sluice::bench {
namespace {

constexpr uint64_t kJob = 1;
constexpr int64_t kMostPushes = int64_t{1} << 40;
constexpr wire::CallOptions kCall{std::chrono::seconds(60)};

struct Options {
  int rounds = 9;
  int shards = 0;
  int threads = 1;
  int calls = 0;  // in flight at once; 0: as workers do
  std::string json;
};

void check(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.to_string());
}

transport::GrpcTransport::Sharing sharing(bool shares) {
  using Sharing = transport::GrpcTransport::Sharing;
  return shares ? Sharing::kMemory : Sharing::kNothing;
}

// All parameters of one server, exchanged as a worker does it.
class ExchangeClient {
 public:
  ExchangeClient(const std::string& address, size_t parameters, bool shares, const Options& options)
      : transport_(sharing(shares)),
        update_(transport_.buffers().make(parameters)),
        values_(parameters) {
    const auto map = wire::ShardMap::even(parameters, options.shards, 1);
    const auto channel = transport_.connect_parameters(address);
    const wire::CreateRequest request{kJob, map, 0, add_rule_json(), {kMostPushes}};
    check(await_status([&](auto reply) { channel->create(request, kCall, std::move(reply)); }));
    client::ExchangeOptions client;
    client.call_timeout = kCall.timeout;
    if (options.calls > 0) client.calls_per_server = options.calls;
    core::World& world = core::real_world();
    client_.emplace(world, transport_, world.make_strand("timers"), kJob,
                    wire::Placement{0, map, {address}}, client, nullptr);
    check(await_status([&](auto reply) { client_->assign(update_, std::move(reply)); }));
    // The first call asks for memory, which is shared from then on.
    while (shares && !channel->shares_memory()) {
      check(await_status([&](auto reply) { client_->pull(values_.span(), std::move(reply)); }));
    }
  }

  int shards() const { return client_->shard_map().size(); }

  void exchange() {
    wire::PushHeader header;
    header.id = {0, 1, ++sequence_};
    check(await_status([&](auto reply) {
      client_->exchange(header, client_->shard_map().whole(), update_, values_.span(), {},
                        std::move(reply));
    }));
  }

 private:
  transport::GrpcTransport transport_;
  const std::shared_ptr<core::AlignedBuffer> update_;
  core::AlignedBuffer values_;
  int64_t sequence_ = 0;
  std::optional<client::ParameterClient> client_;
};

// What one call of something costs.
struct Cost {
  double seconds = 0;
  double cpu_seconds = 0;  // of both processes
};

class Series {
 public:
  Series(const Child& server, int times, std::function<void()> call)
      : server_(server), times_(times), call_(std::move(call)) {}

  void round() {
    const auto start = std::chrono::steady_clock::now();
    const double cpu = cpu_seconds();
    for (int i = 0; i < times_; ++i) call_();
    cpu_seconds_.push_back((cpu_seconds() - cpu) / times_);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    seconds_.push_back(took.count() / times_);
  }

  // Medians of the rounds but the first, which warmed up.
  Cost cost() const { return {median(seconds_), median(cpu_seconds_)}; }

 private:
  static double median(std::vector<double> values) {
    values.erase(values.begin());
    std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
    return values[values.size() / 2];
  }

  double cpu_seconds() const {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec) +
           server_.cpu_seconds();
  }

  const Child& server_;
  const int times_;
  const std::function<void()> call_;
  std::vector<double> seconds_;
  std::vector<double> cpu_seconds_;
};

struct Measured {
  Cost exchange;
  Cost echo_one;
  Cost echo_shards;
  int shards = 0;
};

Measured measure(const std::string& socket, size_t parameters, const Options& options) {
  const auto address = [&](const char* kind) {
    return socket == "tcp" ? std::string("127.0.0.1:0")
                           : "unix:/tmp/sluice-bench-" + std::to_string(::getpid()) + kind;
  };
  const Child server({"--serve", address("server"), std::to_string(options.threads), socket});
  const Child echo_server({"--echo", address("echo")});
  ExchangeClient client(server.first_line(), parameters, /*shares=*/false, options);
  const auto echo = connect_echo(echo_server.first_line());
  const core::AlignedBuffer buffer(parameters);
  const auto bytes = std::as_bytes(buffer.span());
  const int times = std::max(2, static_cast<int>((size_t{64} << 20) / bytes.size()));

  Series exchange(server, times, [&] { client.exchange(); });
  Series echo_one(echo_server, times, [&] { echo->echo(bytes, 1); });
  Series echo_shards(echo_server, times, [&] { echo->echo(bytes, client.shards()); });
  for (int round = 0; round <= options.rounds; ++round) {
    exchange.round();
    echo_one.round();
    echo_shards.round();
  }
  return {exchange.cost(), echo_one.cost(), echo_shards.cost(), client.shards()};
}

nlohmann::ordered_json report(const std::string& socket, size_t parameters,
                              const Options& options) {
  const Measured result = measure(socket, parameters, options);
  const double gigabytes = 2e-9 * static_cast<double>(parameters * sizeof(float));
  const auto speed = [&](const Cost& cost) { return gigabytes / cost.seconds; };
  const auto cpu = [&](const Cost& cost) { return cost.cpu_seconds / gigabytes; };
  const double echo = std::max(speed(result.echo_one), speed(result.echo_shards));
  const double ratio = speed(result.exchange) / echo;
  std::printf(
      "%-4s %5.1f MB, %2d shards: exchange %5.2f GB/s, echo %5.2f whole, %5.2f in shards: ratio "
      "%.2f   CPU-s/GB %.2f, %.2f, %.2f\n",
      socket.c_str(), gigabytes * 500, result.shards, speed(result.exchange),
      speed(result.echo_one), speed(result.echo_shards), ratio, cpu(result.exchange),
      cpu(result.echo_one), cpu(result.echo_shards));
  return {{"socket", socket},
          {"bytes", parameters * sizeof(float)},
          {"shards", result.shards},
          {"exchange_gb_per_s", speed(result.exchange)},
          {"echo_whole_gb_per_s", speed(result.echo_one)},
          {"echo_in_shards_gb_per_s", speed(result.echo_shards)},
          {"ratio", ratio},
          {"exchange_cpu_s_per_gb", cpu(result.exchange)},
          {"echo_whole_cpu_s_per_gb", cpu(result.echo_one)},
          {"echo_in_shards_cpu_s_per_gb", cpu(result.echo_shards)},
          {"rounds", options.rounds}};
}

// The update of a server in this process, and a copy of what comes of it.
class UpdateAndCopy {
 public:
  explicit UpdateAndCopy(size_t parameters)
      : map_(wire::ShardMap::even(parameters, 0, 1)), update_(parameters), values_(parameters) {
    server_.serve_job(kJob);
    server_.create({kJob, map_, 0, add_rule_json(), {kMostPushes}}, &check);
    server_.assign({kJob, {0, map_.size()}}, bytes(), &check);
  }

  void run() {
    wire::PushHeader header;
    header.job = kJob;
    header.shards = {0, map_.size()};
    header.id = {0, 1, ++sequence_};
    server_.exchange(header, bytes(), [this](const Result<wire::ExchangeReply>& reply) {
      check(reply.status());
      float* to = values_.data();
      for (const wire::Payload& payload : reply->pull.values) {
        std::memcpy(to, payload.values.data(), payload.values.size_bytes());
        to += payload.values.size();
      }
    });
  }

 private:
  wire::ReceivedPayload bytes() const { return {{std::as_bytes(update_.span())}, {}}; }

  const wire::ShardMap map_;
  const core::AlignedBuffer update_;
  core::AlignedBuffer values_;
  server::ParameterServer server_{core::real_world()};
  int64_t sequence_ = 0;
};

nlohmann::ordered_json report_memory(size_t parameters, const Options& options) {
  const std::string address = "unix:/tmp/sluice-bench-" + std::to_string(::getpid()) + "memory";
  const Child server({"--serve", address, std::to_string(options.threads), "memory"});
  ExchangeClient client(server.first_line(), parameters, /*shares=*/true, options);
  UpdateAndCopy alone(parameters);
  const size_t bytes = parameters * sizeof(float);
  const int times = std::max(8, static_cast<int>((size_t{256} << 20) / bytes));
  Series exchange(server, times, [&] { client.exchange(); });
  Series least(server, times, [&] { alone.run(); });
  for (int round = 0; round <= options.rounds; ++round) {
    exchange.round();
    least.round();
  }
  const Cost cost = exchange.cost(), floor = least.cost();
  std::printf(
      "memory %5.1f MB: exchange %6.3f ms, update and copy in one process %6.3f ms: ratio %.2f   "
      "CPU ms %.3f, %.3f\n",
      1e-6 * static_cast<double>(bytes), 1e3 * cost.seconds, 1e3 * floor.seconds,
      cost.seconds / floor.seconds, 1e3 * cost.cpu_seconds, 1e3 * floor.cpu_seconds);
  return {{"bytes", bytes},
          {"exchange_ms", 1e3 * cost.seconds},
          {"update_and_copy_ms", 1e3 * floor.seconds},
          {"ratio", cost.seconds / floor.seconds},
          {"exchange_cpu_ms", 1e3 * cost.cpu_seconds},
          {"update_and_copy_cpu_ms", 1e3 * floor.cpu_seconds},
          {"rounds", options.rounds}};
}

void serve(const std::string& address, int threads, bool shares) {
  transport::GrpcTransport transport(sharing(shares));
  server::ParameterServer server(core::real_world(), 1, transport.buffers());
  server.serve_job(kJob);
  const auto listener = transport.listen(address, &server, {.threads = threads});
  check(listener.status());
  report_and_wait((*listener)->address());
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() == 4 && arguments[0] == "--serve") {
    serve(arguments[1], std::stoi(arguments[2]), arguments[3] == "memory");
    return 0;
  }
  if (arguments.size() == 2 && arguments[0] == "--echo") {
    const auto server = start_echo_server(arguments[1]);
    report_and_wait(server->address());
    return 0;
  }
  Options options;
  for (size_t i = 0; i + 1 < arguments.size(); i += 2) {
    if (arguments[i] == "--rounds") options.rounds = std::stoi(arguments[i + 1]);
    if (arguments[i] == "--shards") options.shards = std::stoi(arguments[i + 1]);
    if (arguments[i] == "--threads") options.threads = std::stoi(arguments[i + 1]);
    if (arguments[i] == "--calls") options.calls = std::stoi(arguments[i + 1]);
    if (arguments[i] == "--json") options.json = arguments[i + 1];
  }
  nlohmann::ordered_json cases;
  for (const char* socket : {"tcp", "unix"}) {
    for (const size_t parameters : {size_t{1'048'853}, size_t{16'000'000}}) {
      cases.push_back(report(socket, parameters, options));
    }
  }
  nlohmann::ordered_json memory;
  for (const size_t parameters : {size_t{1'048'853}, size_t{16'000'000}}) {
    memory.push_back(report_memory(parameters, options));
  }
  if (!options.json.empty()) {
    std::ofstream(options.json) << nlohmann::ordered_json{{"benchmark", "exchange"},
                                                          {"cases", cases},
                                                          {"memory", memory}}
                                       .dump(2)
                                << "\n";
  }
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  try {
    return sluice::bench::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sluice_exchange_bench: %s\n", error.what());
    return 1;
  }
}
