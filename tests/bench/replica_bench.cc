// How close a training step of ours comes to the oneDNN primitives that it could be made of.
//
//   sluice_replica_bench [--json FILE] [--rounds N] [--batch N] [--threads N] [--model NAME]
//                        [--keras PYTHON]
//
// A model (mnist-cnn, cats-and-dogs or resnet20) at batch 16 and 128 with one and two threads. Each
// round measures every primitive alone, the primitives in turn, our step without an optimizer, and
// our step with Adam, one after the other; the ratio is the median over the rounds of reference
// time / our time. Above 1: our step, loss and optimizer included, is faster than its parts.
//
//   reference  the sum of all primitives, each alone, with its buffers in the caches where they
//              fit, and with direct convolutions, as frameworks use them
//   best       the same with the faster of direct and Winograd for each convolution
//   in turn    those of "best" in the order of a step, forward and back: as fast as a step made
//              of them alone could be
//
// With an interpreter that has Keras on TensorFlow, its step is measured before and after the
// rounds of each setting (keras_step.py); "Keras" is its time / ours with Adam.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/backend/graph_builder.h"
#include "tests/bench/keras_step.h"
#include "tests/bench/measure.h"
#include "tests/bench/models.h"
#include "tests/bench/replica_reference.h"

namespace sluice::bench {
namespace {

using backend::Graph;
using backend::Replica;
using backend::testing::Samples;

struct Round {
  std::vector<double> parts;  // seconds of each primitive
  double reference = 0;       // the sum of those with direct convolutions
  double best = 0;            // the same with the faster algorithm for each convolution
  double in_turn = 0;         // those one after the other
  double gradients = 0;       // our step without an optimizer
  double adam = 0;            // our step with Adam
};

struct Options {
  std::string model = "mnist-cnn";
  std::string keras;  // a Python interpreter, or empty
  int rounds = 9;
};

struct Setting {
  int64_t batch;
  int threads;
};

// Of the parts that took these seconds the faster of two that could replace one another, in the
// order of a step.
std::vector<const ReferenceStep::Part*> fastest_parts(const ReferenceStep& reference,
                                                      const std::vector<double>& seconds) {
  const std::vector<ReferenceStep::Part>& parts = reference.parts();
  std::vector<size_t> chosen(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    chosen[i] = i;
    if (parts[i].alternative_to < 0) continue;
    const auto other = static_cast<size_t>(parts[i].alternative_to);
    if (seconds[i] < seconds[chosen[other]]) chosen[other] = i;
  }
  std::vector<const ReferenceStep::Part*> forward, backward;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].alternative_to >= 0) continue;
    (parts[i].is_backward ? backward : forward).push_back(&parts[chosen[i]]);
  }
  forward.insert(forward.end(), backward.rbegin(), backward.rend());
  return forward;
}

Round measure(ReferenceStep& reference, Replica& gradients, Replica& adam, const Samples& samples,
              int threads) {
  Round round;
  for (const ReferenceStep::Part& part : reference.parts()) {
    round.parts.push_back(seconds_per_call(threads, 0.004, [&] { reference.run(part); }));
    if (part.alternative_to < 0) round.reference += round.parts.back();
  }
  const std::vector<const ReferenceStep::Part*> fastest = fastest_parts(reference, round.parts);
  for (const ReferenceStep::Part* part : fastest) {
    round.best += round.parts[static_cast<size_t>(part - reference.parts().data())];
  }
  round.in_turn = seconds_per_call(threads, 0.06, [&] {
    for (const ReferenceStep::Part* part : fastest) reference.run(*part);
  });
  round.gradients = seconds_per_call(threads, 0.06, [&] { gradients.train_step(samples.batch()); });
  round.adam = seconds_per_call(threads, 0.06, [&] { adam.train_step(samples.batch()); });
  return round;
}

template <typename Get>
double median_of(const std::vector<Round>& rounds, const Get& get) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(get(round));
  return median(values);
}

nlohmann::json run(const Setting& setting, const Options& bench) {
  const Graph graph = model_named(bench.model);
  const Samples samples(graph, setting.batch, 3);
  ReferenceStep reference(graph, setting.batch, setting.threads);
  backend::ReplicaOptions options{.batch_size = setting.batch, .threads = setting.threads};
  const auto gradients = backend::testing::make_replica(graph, options, 1, 0.05f);
  options.optimizer = "adam";
  const auto adam = backend::testing::make_replica(graph, options, 1, 0.05f);

  const auto measure_keras = [&] {
    return keras_step(bench.keras, bench.model, setting.batch, setting.threads, "float32");
  };
  double keras = bench.keras.empty() ? 0 : measure_keras();
  std::vector<Round> measured;
  for (int i = 0; i < bench.rounds; ++i) {
    measured.push_back(measure(reference, *gradients, *adam, samples, setting.threads));
  }
  if (!bench.keras.empty()) keras = (keras + measure_keras()) / 2;
  const double t_reference = median_of(measured, [](const Round& r) { return r.reference; });
  const double t_best = median_of(measured, [](const Round& r) { return r.best; });
  const double t_in_turn = median_of(measured, [](const Round& r) { return r.in_turn; });
  const double t_gradients = median_of(measured, [](const Round& r) { return r.gradients; });
  const double t_adam = median_of(measured, [](const Round& r) { return r.adam; });
  const auto rate = [&](double seconds) { return static_cast<double>(setting.batch) / seconds; };
  nlohmann::json result{
      {"batch", setting.batch},
      {"threads", setting.threads},
      {"model", bench.model},
      {"rounds", bench.rounds},
      {"reference_images_per_second", rate(t_reference)},
      {"best_images_per_second", rate(t_best)},
      {"in_turn_images_per_second", rate(t_in_turn)},
      {"gradients_images_per_second", rate(t_gradients)},
      {"adam_images_per_second", rate(t_adam)},
      {"ratio_gradients",
       median_of(measured, [](const Round& r) { return r.reference / r.gradients; })},
      {"ratio_adam", median_of(measured, [](const Round& r) { return r.reference / r.adam; })},
      {"ratio_gradients_to_best",
       median_of(measured, [](const Round& r) { return r.best / r.gradients; })},
      {"ratio_adam_to_best", median_of(measured, [](const Round& r) { return r.best / r.adam; })},
      {"ratio_adam_to_in_turn",
       median_of(measured, [](const Round& r) { return r.in_turn / r.adam; })}};
  if (keras > 0) {
    result["keras_images_per_second"] = rate(keras);
    result["ratio_adam_to_keras"] = keras / t_adam;
  }
  for (size_t i = 0; i < reference.parts().size(); ++i) {
    result["reference_parts_ms"][reference.parts()[i].name] =
        1e3 * median_of(measured, [i](const Round& r) { return r.parts[i]; });
  }
  return result;
}

void print(const nlohmann::json& r) {
  const auto number = [&](const char* key) { return r[key].get<double>(); };
  std::printf("%5d %7d %10.0f %10.0f %10.0f %10.0f %10.0f %12.3f %12.3f %14.3f",
              r["batch"].get<int>(), r["threads"].get<int>(), number("reference_images_per_second"),
              number("best_images_per_second"), number("in_turn_images_per_second"),
              number("gradients_images_per_second"), number("adam_images_per_second"),
              number("ratio_adam"), number("ratio_adam_to_best"), number("ratio_adam_to_in_turn"));
  if (r.contains("ratio_adam_to_keras")) std::printf(" %7.2f", number("ratio_adam_to_keras"));
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) try {
  std::string json_path;
  sluice::bench::Options options;
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::vector<int64_t> batches = {16, 128};
  std::vector<int> thread_counts = {1};
  if (cores > 1) thread_counts.push_back(2);
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string argument = argv[i];
    const std::string value = argv[i + 1];
    if (argument == "--json") json_path = value;
    if (argument == "--rounds") options.rounds = std::max(1, std::atoi(value.c_str()));
    if (argument == "--model") options.model = value;
    if (argument == "--keras") options.keras = value;
    if (argument == "--batch") batches = {std::max(1, std::atoi(value.c_str()))};
    if (argument == "--threads") thread_counts = {std::clamp(std::atoi(value.c_str()), 1, cores)};
  }
  std::printf("images/s of training, %s; ratio = reference time / our time\n",
              options.model.c_str());
  std::printf("%5s %7s %10s %10s %10s %10s %10s %12s %12s %14s%s\n", "batch", "threads",
              "reference", "best", "in turn", "gradients", "with Adam", "ratio", "ratio best",
              "ratio in turn", options.keras.empty() ? "" : "   Keras");
  nlohmann::json results = nlohmann::json::array();
  for (int64_t batch : batches) {
    for (int threads : thread_counts) {
      results.push_back(sluice::bench::run({batch, threads}, options));
      sluice::bench::print(results.back());
    }
  }
  if (!json_path.empty()) {
    std::ofstream(json_path) << nlohmann::json{{"bench", "replica"}, {"results", results}}.dump(2)
                             << "\n";
  }
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "sluice_replica_bench: %s\n", e.what());
  return 1;
}
