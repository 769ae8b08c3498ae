// How much faster a replica trains in mixed_bfloat16 than in float32.
//
//   sluice_precision_bench [--json FILE] [--rounds N] [--batch N] [--threads N]
//                          [--keras PYTHON]
//
// The MNIST CNN with Adam at batch 16 and 128, with one and two threads, over generated digits: how
// many gradients a ReLU lets through, which counts in bfloat16, depends on what there is to learn.
// In each round both train for a second, one after the other; the ratio is the median over the
// rounds of float32 time / mixed_bfloat16 time. With an interpreter that has Keras on TensorFlow,
// its step in mixed_bfloat16 is measured before and after the rounds of each setting; "Keras" is
// its time / ours.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "backend/cpu/onednn.h"
#include "data/digits.h"
#include "tests/backend/graph_builder.h"
#include "tests/bench/keras_step.h"
#include "tests/bench/measure.h"

namespace sluice::bench {
namespace {

using backend::Precision;

constexpr double kSeconds = 1;  // of training in each precision in each round

struct Digits {
  static constexpr int64_t kCount = 8192;
  std::vector<float> x, y;

  Digits() {
    std::vector<uint8_t> pixels(data::kDigitPixels);
    for (int64_t i = 0; i < kCount; ++i) {
      y.push_back(static_cast<float>(data::draw_digit(0, i, pixels)));
      for (uint8_t pixel : pixels) x.push_back(static_cast<float>(pixel) / 255);
    }
  }
  backend::Batch batch(int64_t first, int64_t size) const {
    const auto part = [&](const std::vector<float>& all, int64_t each) {
      return std::span(all).subspan(static_cast<size_t>(first * each),
                                    static_cast<size_t>(size * each));
    };
    return {size, part(x, data::kDigitPixels), part(y, 1)};
  }
};

nlohmann::json run(const Digits& digits, int64_t batch, int threads, int rounds,
                   const std::string& python) {
  const backend::Graph graph = backend::testing::mnist_cnn();
  backend::ReplicaOptions options{.batch_size = batch, .threads = threads};
  options.optimizer = "adam";
  const auto float32 = backend::testing::make_replica(graph, options, 1, 0.05f);
  options.precision = Precision::kMixedBfloat16;
  const auto mixed = backend::testing::make_replica(graph, options, 1, 0.05f);

  std::vector<double> float32_s, mixed_s, ratios;
  const auto train = [&](backend::Replica& replica) {
    int64_t next = 0;
    return seconds_per_call(threads, kSeconds, [&] {
      replica.train_step(digits.batch(next, batch));
      next = next + 2 * batch <= Digits::kCount ? next + batch : 0;
    });
  };
  const auto measure_keras = [&] {
    return keras_step(python, "mnist-cnn", batch, threads, "mixed_bfloat16");
  };
  double keras = python.empty() ? 0 : measure_keras();
  for (int i = 0; i < rounds; ++i) {
    float32_s.push_back(train(*float32));
    mixed_s.push_back(train(*mixed));
    ratios.push_back(float32_s.back() / mixed_s.back());
  }
  if (!python.empty()) keras = (keras + measure_keras()) / 2;
  const auto images = static_cast<double>(batch);
  nlohmann::json result{{"batch", batch},
                        {"threads", threads},
                        {"rounds", rounds},
                        {"float32_images_per_second", images / median(float32_s)},
                        {"mixed_bfloat16_images_per_second", images / median(mixed_s)},
                        {"ratio", median(ratios)}};
  if (keras > 0) {
    result["keras_images_per_second"] = images / keras;
    result["ratio_to_keras"] = keras / median(mixed_s);
  }
  return result;
}

void print(const nlohmann::json& r) {
  std::printf("%5d %7d %10.0f %15.0f %7.2f", r["batch"].get<int>(), r["threads"].get<int>(),
              r["float32_images_per_second"].get<double>(),
              r["mixed_bfloat16_images_per_second"].get<double>(), r["ratio"].get<double>());
  if (r.contains("ratio_to_keras")) std::printf(" %7.2f", r["ratio_to_keras"].get<double>());
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) try {
  std::string json_path, python;
  int rounds = 9;
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::vector<int64_t> batches = {16, 128};
  std::vector<int> thread_counts = {1};
  if (cores > 1) thread_counts.push_back(2);
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string argument = argv[i];
    const std::string value = argv[i + 1];
    if (argument == "--json") json_path = value;
    if (argument == "--keras") python = value;
    if (argument == "--rounds") rounds = std::max(1, std::atoi(value.c_str()));
    if (argument == "--batch")
      batches = {std::clamp<int64_t>(std::atoi(value.c_str()), 1, sluice::bench::Digits::kCount)};
    if (argument == "--threads") thread_counts = {std::clamp(std::atoi(value.c_str()), 1, cores)};
  }
  const bool supported = sluice::backend::cpu::has_bfloat16();
  nlohmann::json results = nlohmann::json::array();
  if (!supported) {
    std::printf("mixed_bfloat16 needs AVX512_BF16 or AMX, which this processor does not have\n");
  } else {
    std::printf(
        "images/s of training, MNIST CNN with Adam; ratio = float32 time / bfloat16 time\n");
    std::printf("%5s %7s %10s %15s %7s%s\n", "batch", "threads", "float32", "mixed_bfloat16",
                "ratio", python.empty() ? "" : "   Keras");
    const sluice::bench::Digits digits;
    for (int64_t batch : batches) {
      for (int threads : thread_counts) {
        results.push_back(sluice::bench::run(digits, batch, threads, rounds, python));
        sluice::bench::print(results.back());
      }
    }
  }
  if (!json_path.empty()) {
    std::ofstream(json_path) << nlohmann::json{{"bench", "precision"},
                                               {"supported", supported},
                                               {"results", results}}
                                    .dump(2)
                             << "\n";
  }
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "sluice_precision_bench: %s\n", e.what());
  return 1;
}
