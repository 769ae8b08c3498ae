// How fast a server applies an update, against memcpy of the same bytes.
//
//   sluice_update_bench [--rounds N] [--json FILE]
//
// The update comes in pieces of 64 KiB at odd addresses, as gRPC delivers it. Both are measured in
// turns; the medians are compared. GB/s count the bytes of the update.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/aligned_buffer.h"
#include "core/real_world.h"
#include "server/parameter_server.h"
#include "tests/support/update_rules.h"

namespace sluice::bench {
namespace {

constexpr uint64_t kJob = 1;
constexpr size_t kPiece = size_t{64} << 10;

void check(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.to_string());
}

// Of a call that a server with nothing else to do answers before it returns.
void check_exchanged(const Result<wire::ExchangeReply>& reply) { check(reply.status()); }

double seconds_of(int times, const std::function<void()>& call) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i) call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / times;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

// A server with one job whose values are all zero, and an update in odd pieces.
class Updates {
 public:
  Updates(size_t parameters, const std::string& rule)
      : map_(wire::ShardMap::even(parameters, 0, 1)), update_(parameters + 1) {
    server_.serve_job(kJob);
    server_.create({kJob, map_, 0, rule, {int64_t{1} << 40}}, &check);
    server_.assign({kJob, {0, map_.size()}}, pieces(), &check);
  }

  void apply() {
    wire::PushHeader header;
    header.job = kJob;
    header.shards = {0, map_.size()};
    header.id = {0, 1, ++sequence_};
    server_.exchange(header, pieces(), &check_exchanged);
  }

 private:
  // Of a buffer that outlives the call.
  wire::ReceivedPayload pieces() const {
    auto rest = std::as_bytes(update_.span()).subspan(1, map_.parameters() * sizeof(float));
    wire::ReceivedPayload payload;
    for (; !rest.empty(); rest = rest.subspan(payload.pieces.back().size())) {
      payload.pieces.push_back(rest.first(std::min(kPiece, rest.size())));
    }
    return payload;
  }

  const wire::ShardMap map_;
  const core::AlignedBuffer update_;
  server::ParameterServer server_{core::real_world()};
  int64_t sequence_ = 0;
};

nlohmann::ordered_json measure(const char* name, const std::string& rule, size_t parameters,
                               int rounds) {
  Updates updates(parameters, rule);
  const core::AlignedBuffer from(parameters);
  core::AlignedBuffer to(parameters);
  const size_t bytes = parameters * sizeof(float);
  const int times = std::max(2, static_cast<int>((size_t{256} << 20) / bytes));
  std::vector<double> update_s;
  std::vector<double> copy_s;
  for (int round = -1; round < rounds; ++round) {  // the first warms up
    const double a = seconds_of(times, [&] { updates.apply(); });
    const double b = seconds_of(times, [&] { std::memcpy(to.data(), from.data(), bytes); });
    if (round < 0) continue;
    update_s.push_back(a);
    copy_s.push_back(b);
  }
  const auto speed = [&](double s) { return 1e-9 * static_cast<double>(bytes) / s; };
  const double updated = speed(median(update_s));
  const double copied = speed(median(copy_s));
  std::printf("%-17s %5.1f MB: update %6.2f GB/s   memcpy %6.2f GB/s   ratio %.2f\n", name,
              static_cast<double>(bytes) * 1e-6, updated, copied, updated / copied);
  return {{"rule", name},
          {"bytes", bytes},
          {"update_gb_per_s", updated},
          {"memcpy_gb_per_s", copied},
          {"ratio", updated / copied},
          {"rounds", rounds}};
}

int run(const std::vector<std::string>& arguments) {
  int rounds = 9;
  std::string file;
  for (size_t i = 0; i + 1 < arguments.size(); i += 2) {
    if (arguments[i] == "--rounds") rounds = std::stoi(arguments[i + 1]);
    if (arguments[i] == "--json") file = arguments[i + 1];
  }
  nlohmann::ordered_json cases;
  for (const size_t parameters : {size_t{1'048'853}, size_t{16'000'000}}) {
    cases.push_back(measure("add", add_rule_json(), parameters, rounds));
    cases.push_back(measure("sgd", optimizer_rule_json("sgd"), parameters, rounds));
    cases.push_back(measure("adam", optimizer_rule_json("adam"), parameters, rounds));
    cases.push_back(
        measure("sgd with averages", optimizer_rule_json("sgd(use_ema=true)"), parameters, rounds));
  }
  if (!file.empty()) {
    std::ofstream(file) << nlohmann::ordered_json{{"benchmark", "update"}, {"cases", cases}}.dump(2)
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
    std::fprintf(stderr, "sluice_update_bench: %s\n", error.what());
    return 1;
  }
}
