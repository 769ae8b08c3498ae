// Training steps on a GPU: images/s, launches, and how close a step comes to its floor.
//
//   sluice_cuda_bench [--json FILE] [--rounds N] [--batch N] [quick | profile]
//
// The MNIST CNN with Adam at batch 16, 64, 256 and 1024 in every precision that the GPU has. A
// round starts as many steps as fill a fifth of a second and ends when the metrics of all are
// there; each step's batch is copied from pinned memory, where it lies ready. Medians of rounds.
// tests/cuda/torch_bench.py measures PyTorch in the same way.
//
// quick: few and small, to see that it runs. profile: two steps of each, for a profiler, which is
// told when they begin and end, so that it does not disturb the choice of algorithms before:
//
//   ncu --profile-from-start off --graph-profiling node --clock-control none
//       --metrics gpu__time_duration.sum sluice_cuda_bench --batch 64 profile
//
// Exit status 77 without a GPU.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "backend/cuda_plugin.h"
#include "core/version.h"
#include "tests/backend/graph_builder.h"
#include "tests/bench/step_floor.h"

namespace sluice::bench {
namespace {

using backend::Batch;
using backend::Precision;
using backend::testing::Samples;
using Json = nlohmann::json;

constexpr int kSkipped = 77;
constexpr int kAdamSlots = 2;

struct Settings {
  std::string json_path;
  int rounds = 9;
  double round_seconds = 0.2;
  bool profile = false;
  std::vector<int64_t> batches = {16, 64, 256, 1024};
  backend::GpuRateSizes sizes;
};

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The next batch as the replica wants it: in its own pinned memory, put there when `fill` is set.
void start_step(backend::Replica& replica, const Samples& samples, bool fill) {
  const backend::BatchBuffers buffers = replica.batch_buffers();
  const auto x = buffers.x.first(samples.x.size()), y = buffers.y.first(samples.y.size());
  if (fill) {
    std::copy(samples.x.begin(), samples.x.end(), x.begin());
    std::copy(samples.y.begin(), samples.y.end(), y.begin());
  }
  replica.start_step({samples.n, x, y});
}

// Seconds of a step in one round of `steps`.
double round_of(backend::Replica& replica, const Samples& samples, int steps) {
  const double begin = seconds_now();
  for (int i = 0; i < steps; ++i) start_step(replica, samples, false);
  (void)replica.take_metrics();
  return (seconds_now() - begin) / steps;
}

// Of the CUDA driver, which the plug-in has loaded.
void call_driver(const char* function) {
  auto* const address = dlsym(dlopen("libcuda.so.1", RTLD_NOW), function);
  if (address != nullptr) reinterpret_cast<int (*)()>(address)();
}

void profile(backend::Replica& replica, const Samples& samples) {
  call_driver("cuProfilerStart");
  (void)round_of(replica, samples, 2);
  call_driver("cuProfilerStop");
}

// Medians over the rounds, after all buffers have been filled and the first steps were slow.
double seconds_per_step(backend::Replica& replica, const Samples& samples,
                        const Settings& settings) {
  for (int i = 0; i < 4; ++i) start_step(replica, samples, true);
  (void)replica.take_metrics();
  const double guess = round_of(replica, samples, 10);
  if (settings.profile) {
    profile(replica, samples);
    return guess;
  }
  const int steps = std::clamp(static_cast<int>(settings.round_seconds / guess), 2, 100000);
  std::vector<double> seconds;
  for (int i = 0; i < settings.rounds; ++i) seconds.push_back(round_of(replica, samples, steps));
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

Json measure(backend::Backend& gpu, const backend::GpuRates& rates, const std::string& precision,
             int64_t batch, const Settings& settings) {
  const backend::Graph graph = backend::testing::mnist_cnn();
  const Samples samples(graph, batch, 3);
  const Precision numbers = backend::parse_precision(precision);
  backend::ReplicaOptions options{.batch_size = batch, .precision = numbers};
  options.optimizer = "adam";
  const auto replica = gpu.compile(graph, options);
  core::Rng rng(1);
  for (float& value : replica->parameters()) value = rng.uniform(-0.05f, 0.05f);
  replica->parameters_changed();
  const double seconds = seconds_per_step(*replica, samples, settings);
  const StepWork work = step_work(graph, batch, numbers, kAdamSlots);
  return {{"precision", precision},
          {"batch", batch},
          {"images_per_second", static_cast<double>(batch) / seconds},
          {"step_seconds", seconds},
          {"floor_seconds", floor_seconds(work, rates, numbers)},
          {"flops", work.flops},
          {"bytes", work.bytes},
          {"launches", replica->launches_per_step()}};
}

Json describe(const backend::GpuInfo& gpu, const backend::CudaVersions& versions,
              const backend::GpuRates& rates) {
  return {{"gpu", gpu.name},
          {"architecture", gpu.architecture},
          {"memory_bytes", gpu.memory_bytes},
          {"driver_cuda", versions.driver},
          {"cuda", versions.runtime},
          {"cudnn", versions.cudnn},
          {"cublaslt", versions.cublaslt},
          {"copy_bytes_per_second", rates.copy_bytes},
          {"flops_per_second",
           {{"float32", rates.float32_flops},
            {"tf32", rates.tf32_flops},
            {"mixed_bfloat16", rates.bfloat16_flops}}}};
}

void print(const Json& r) {
  const double seconds = r["step_seconds"], floor = r["floor_seconds"];
  std::printf("%-15s %6d %12.0f %10.1f %10.1f %8.2f %9d\n",
              r["precision"].get<std::string>().c_str(), r["batch"].get<int>(),
              r["images_per_second"].get<double>(), 1e6 * seconds, 1e6 * floor, seconds / floor,
              r["launches"].get<int>());
  std::fflush(stdout);
}

Result<backend::GpuInfo> first_gpu(backend::CudaPlugin& plugin) {
  SLUICE_ASSIGN_OR_RETURN(const auto gpus, plugin.gpus());
  for (const backend::GpuInfo& gpu : gpus) {
    if (gpu.problem.empty()) return gpu;
  }
  return not_found(gpus.front().problem);
}

Status run(const Settings& settings) {
  SLUICE_ASSIGN_OR_RETURN(backend::CudaPlugin* const plugin, backend::cuda_plugin());
  SLUICE_ASSIGN_OR_RETURN(const backend::GpuInfo info, first_gpu(*plugin));
  SLUICE_ASSIGN_OR_RETURN(const backend::GpuRates rates,
                          plugin->measure_rates(info, settings.sizes));
  Json json = describe(info, plugin->versions(), rates);
  json["bench"] = "cuda";
  json["sluice"] = core::version();
  std::printf("%s: copies %.2f TB/s, products float32 %.1f, tf32 %.1f, bfloat16 %.1f TFLOP/s\n",
              info.name.c_str(), 1e-12 * rates.copy_bytes, 1e-12 * rates.float32_flops,
              1e-12 * rates.tf32_flops, 1e-12 * rates.bfloat16_flops);
  std::printf("%-15s %6s %12s %10s %10s %8s %9s\n", "precision", "batch", "images/s", "step us",
              "floor us", "ratio", "launches");
  const auto gpu = plugin->open(info, 0);
  for (const char* precision : {"float32", "tf32", "mixed_bfloat16"}) {
    const Status able = gpu->check(backend::parse_precision(precision));
    if (!able.ok()) {
      std::printf("%s\n", able.message().c_str());
      continue;
    }
    for (const int64_t batch : settings.batches) {
      json["results"].push_back(measure(*gpu, rates, precision, batch, settings));
      print(json["results"].back());
    }
  }
  if (!settings.json_path.empty()) std::ofstream(settings.json_path) << json.dump(2) << "\n";
  return ok_status();
}

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    if (argument == "--json") settings.json_path = value;
    if (argument == "--rounds") settings.rounds = std::max(1, std::atoi(value.c_str()));
    if (argument == "--batch") settings.batches = {std::max(1, std::atoi(value.c_str()))};
    if (argument == "profile") {
      settings.profile = true;
      settings.sizes = {.copy_bytes = 1 << 20, .matrix = 64};
    }
    if (argument == "quick") {
      settings.rounds = 1;
      settings.round_seconds = 0;
      settings.batches = {16};
      settings.sizes = {.copy_bytes = 1 << 20, .matrix = 64};
    }
  }
  return settings;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  using namespace sluice;
  try {
    const Status status = bench::run(bench::parse(argc, argv));
    if (status.ok()) return 0;
    const bool skipped = status.code() == StatusCode::kNotFound;
    std::fprintf(stderr, "%s: %s\n", skipped ? "skipped" : "failed", status.message().c_str());
    return skipped ? bench::kSkipped : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "failed: %s\n", error.what());
    return 1;
  }
}
