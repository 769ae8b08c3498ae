// How close each operation comes to the oneDNN primitive that computes it.
//
//   sluice_ops_bench [--json FILE] [--rounds N] [--batch N] [--threads N] [--only TEXT]
//                    [--model NAME] [--optimizer NAME]
//
// Each operation is trained in a graph of its own: behind a first one, so that it has a gradient of
// its input, and in front of a squared error. Its kernels are measured where they stand in the
// step. The primitives are those of ReferenceStep, as fast as oneDNN has them, run one after
// another; reorders between them are not counted. Ratios are the primitives' time / ours, medians
// of rounds.
//
// With an optimizer, an operation's time includes what that does to its parameters, which the
// primitives do not have.
//
// With a model (models.h): all of its operations in a step of it, what is fused in the row of what
// it is fused into.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "backend/cpu/parallel.h"
#include "backend/cpu/program.h"
#include "core/aligned_buffer.h"
#include "tests/backend/graph_builder.h"
#include "tests/bench/measure.h"
#include "tests/bench/models.h"
#include "tests/bench/replica_reference.h"

namespace sluice::bench {
namespace {

using backend::Activation;
using backend::Graph;
using backend::MergeOp;
using backend::NormalizeOp;
using backend::Pool2DOp;
using backend::Step;
using backend::cpu::Kernel;
using backend::cpu::Mode;
using backend::cpu::Program;
using backend::testing::GraphBuilder;
using backend::testing::Samples;

// --- The operations ---

struct Case {
  const char* name;
  Shape input;
  std::function<void(GraphBuilder&)> add;
};

Pool2DOp pooling(Pool2DOp::Kind kind, int64_t size) {
  return {.kind = kind, .pool_h = size, .pool_w = size, .stride_h = size, .stride_w = size};
}

Case activation(const char* name, const Activation& f) {
  return {name, {32, 32, 64}, [f](GraphBuilder& b) { b.activation(f); }};
}

// The value in front of the last merge, and the other that it takes.
Case merge(const char* name, MergeOp::Kind kind) {
  return {name, {32, 32, 64}, [kind](GraphBuilder& b) { b.merge({kind}, {b.here() - 1}); }};
}

std::vector<Case> cases() {
  const backend::Padding2D same{1, 1, 1, 1};
  const auto conv = [](const char* name, Shape input, const backend::testing::ConvSpec& spec) {
    return Case{name, std::move(input), [spec](GraphBuilder& b) { b.conv(spec); }};
  };
  const Shape image{32, 32, 64};
  return {
      conv("Conv2D 3x3", image, {.filters = 64, .padding = same}),
      conv("Conv2D 1x1", image, {.filters = 128, .kernel_h = 1, .kernel_w = 1}),
      conv("Conv2D 3x3, strides 2", image,
           {.filters = 64, .stride_h = 2, .stride_w = 2, .padding = {0, 1, 0, 1}}),
      conv("Conv2D 3x3, strides 3", image, {.filters = 64, .stride_h = 3, .stride_w = 3}),
      conv("Conv2D 3x3, dilation 2", image,
           {.filters = 64, .padding = {2, 2, 2, 2}, .dilation_h = 2, .dilation_w = 2}),
      conv("Conv2D 3x3, groups 4", image, {.filters = 64, .padding = same, .groups = 4}),
      {"Conv2D 3x3 with relu", image,
       [same](GraphBuilder& b) {
         b.conv({.filters = 64, .padding = same}).activation(Activation::kRelu);
       }},
      conv("DepthwiseConv2D 3x3", image, {.filters = 64, .padding = same, .groups = 64}),
      conv("DepthwiseConv2D 5x5", image,
           {.filters = 64, .kernel_h = 5, .kernel_w = 5, .padding = {2, 2, 2, 2}, .groups = 64}),
      conv("Conv2DTranspose 3x3, strides 2", {16, 16, 64},
           {.filters = 64,
            .stride_h = 2,
            .stride_w = 2,
            .padding = {0, 1, 0, 1},
            .transposed = true}),
      conv("Conv1D 5", {1, 256, 64},
           {.filters = 64, .kernel_h = 1, .kernel_w = 5, .padding = {0, 0, 2, 2}}),
      {"Dense 1024 to 512", {1024}, [](GraphBuilder& b) { b.dense(512); }},
      {"Dense 64 to 64 of 256 positions", {256, 64}, [](GraphBuilder& b) { b.dense(64); }},
      {"BatchNormalization", image, [](GraphBuilder& b) { b.batch_norm(); }},
      {"BatchNormalization with relu", image,
       [](GraphBuilder& b) { b.batch_norm().activation(Activation::kRelu); }},
      {"LayerNormalization",
       {256, 256},
       [](GraphBuilder& b) {
         b.normalize(
             {.view = {{.size = 256}, {.size = 256, .normalized = true, .weighted = true}}});
       }},
      {"MaxPooling2D 2x2", image,
       [](GraphBuilder& b) { b.pool(pooling(Pool2DOp::Kind::kMax, 2)); }},
      {"MaxPooling2D 3x3, strides 2", image,
       [](GraphBuilder& b) {
         b.pool({.pool_h = 3, .pool_w = 3, .stride_h = 2, .stride_w = 2, .padding = {0, 1, 0, 1}});
       }},
      {"AveragePooling2D 2x2", image,
       [](GraphBuilder& b) { b.pool(pooling(Pool2DOp::Kind::kAverage, 2)); }},
      {"GlobalAveragePooling2D", image,
       [](GraphBuilder& b) { b.pool(pooling(Pool2DOp::Kind::kAverage, 32)); }},
      activation("ReLU", Activation::kRelu),
      activation("LeakyReLU", {Activation::kRectifier, 0.3f}),
      activation("ELU", Activation::kElu),
      activation("sigmoid", Activation::kSigmoid),
      activation("tanh", Activation::kTanh),
      activation("gelu", Activation::kGelu),
      activation("silu", Activation::kSilu),
      {"Softmax of 1000", {1000}, [](GraphBuilder& b) { b.activation(Activation::kSoftmax); }},
      merge("Add", MergeOp::Kind::kAdd),
      {"Add with relu", image,
       [](GraphBuilder& b) { b.merge({}, {b.here() - 1}).activation(Activation::kRelu); }},
      merge("Multiply", MergeOp::Kind::kMultiply),
      {"Concatenate", image, [](GraphBuilder& b) { b.concatenate(2, {b.here() - 1}); }},
      {"UpSampling2D 2, bilinear", image,
       [](GraphBuilder& b) {
         b.then(backend::InterpolateOp{.axis = 0, .factor = 2}, {64, 32, 64});
         b.then(backend::InterpolateOp{.axis = 1, .factor = 2}, {64, 64, 64});
       }},
  };
}

// The operation of a case between others.
struct Trained {
  Graph graph;
  size_t begin, end;  // its ops
};

// In front of it stands a maximum, which nothing is fused into, of two values with gradients;
// behind an image a pooling that changes nothing, so that the image lies as it does between
// convolutions.
Trained train(const Case& of) {
  const bool is_image = of.input.rank() == 3;
  GraphBuilder builder(is_image ? Shape{of.input[0], of.input[1], 3} : of.input);
  const auto first = [&] {
    is_image ? builder.conv({.filters = of.input[2], .kernel_h = 1, .kernel_w = 1, .bias = false})
             : builder.dense(of.input.dims().back(), false);
    return builder.here();
  };
  const backend::ValueId input = builder.here();
  const backend::ValueId a = first();
  builder.from(input);
  first();
  builder.merge({MergeOp::Kind::kMaximum}, {a});
  const size_t begin = builder.here();  // ops so far: each has added a value behind the input
  of.add(builder);
  const size_t end = builder.here();
  if (builder.shape().rank() == 3) builder.pool(pooling(Pool2DOp::Kind::kAverage, 1));
  return {builder.flatten().build(MeanSquaredError{}), begin, end};
}

// --- Measuring ---

// Seconds of the two passes.
struct Passes {
  double forward = 0, backward = 0;

  double sum() const { return forward + backward; }
  Passes& operator+=(const Passes& other) {
    forward += other.forward;
    backward += other.backward;
    return *this;
  }
};

// Adds what a kernel takes to `seconds`.
class TimedKernel final : public Kernel {
 public:
  TimedKernel(std::unique_ptr<Kernel> kernel, int threads, Passes& seconds)
      : kernel_(std::move(kernel)), threads_(threads), seconds_(seconds) {}

  void forward(Mode mode, uint64_t step) override {
    const double begin = seconds_now(threads_);
    kernel_->forward(mode, step);
    seconds_.forward += seconds_now(threads_) - begin;
  }
  void backward(uint64_t step) override {
    const double begin = seconds_now(threads_);
    kernel_->backward(step);
    seconds_.backward += seconds_now(threads_) - begin;
  }

 private:
  const std::unique_ptr<Kernel> kernel_;
  const int threads_;
  Passes& seconds_;
};

struct Setting {
  int64_t batch = 16;
  int threads = 1;
  int rounds = 9;
  std::string optimizer{};  // or none
};

// A step of ours, kernel by kernel. The graph outlives it.
class OurStep {
 public:
  OurStep(const Graph& graph, const Setting& setting)
      : threads_(setting.threads),
        samples_(graph, setting.batch, 3),
        options_(options_of(setting)),
        plan_(backend::cpu::make_cpu_plan(graph, options_)),
        parameters_(graph.parameter_size, options_, backend::trained_parameters(plan_)),
        seconds_(graph.ops.size()) {
    device_.threads = threads_;
    const backend::cpu::ThreadScope scope(threads_);
    core::Rng rng(1);
    for (float& w : parameters_.values()) w = rng.uniform(-0.1f, 0.1f);
    program_ = std::make_unique<Program>(graph, plan_, device_, parameters_, setting.batch);
    program_->wrap_kernels([&](const Step& step, std::unique_ptr<Kernel> kernel) {
      if (step.op == nullptr) return kernel;
      Passes& seconds = seconds_[static_cast<size_t>(step.op - graph.ops.data())];
      return std::unique_ptr<Kernel>(new TimedKernel(std::move(kernel), threads_, seconds));
    });
    arena_ = core::AlignedBuffer(program_->arena_size());
    program_->bind(arena_.data());
    sums_.counters.resize(graph.counters());
  }

  // Of each op, in so many steps.
  std::vector<Passes> run(int steps) {
    const backend::cpu::ThreadScope scope(threads_);
    std::fill(seconds_.begin(), seconds_.end(), Passes());
    for (int i = 0; i < steps; ++i) {
      program_->train_step(samples_.x.data(), samples_.y.data(), 0, sums_);
    }
    return seconds_;
  }

 private:
  static backend::ReplicaOptions options_of(const Setting& setting) {
    backend::ReplicaOptions options{.batch_size = setting.batch, .threads = setting.threads};
    if (!setting.optimizer.empty()) options.optimizer = setting.optimizer;
    return options;
  }

  const int threads_;
  const Samples samples_;
  const backend::ReplicaOptions options_;
  const backend::Plan plan_;
  backend::cpu::ParameterStore parameters_;
  backend::cpu::Device device_;
  std::vector<Passes> seconds_;
  std::unique_ptr<Program> program_;
  core::AlignedBuffer arena_;
  backend::StepMetrics sums_;
};

// The primitives of each op in so many steps, the faster of alternatives.
std::vector<Passes> run(ReferenceStep& reference, const Graph& graph, int threads, int steps) {
  const auto& parts = reference.parts();
  std::vector<double> seconds(parts.size());
  for (int i = 0; i < steps; ++i) {
    for (size_t k = 0; k < parts.size(); ++k) {
      const double begin = seconds_now(threads);
      reference.run(parts[k]);
      seconds[k] += seconds_now(threads) - begin;
    }
  }
  for (size_t k = 0; k < parts.size(); ++k) {
    if (parts[k].alternative_to < 0) continue;
    double& other = seconds[static_cast<size_t>(parts[k].alternative_to)];
    other = std::min(other, seconds[k]);
    seconds[k] = 0;
  }
  std::vector<Passes> of_ops(graph.ops.size());
  for (size_t k = 0; k < parts.size(); ++k) {
    Passes& op = of_ops[parts[k].op];
    (parts[k].is_backward ? op.backward : op.forward) += seconds[k];
  }
  return of_ops;
}

// "op3 to 16 x 16 x 64".
std::string describe(const Graph& graph, size_t op) {
  std::string text = graph.ops[op].name + " to";
  for (const int64_t size : graph.values[graph.ops[op].output].dims()) {
    text += (text.back() == 'o' ? " " : " x ") + std::to_string(size);
  }
  return text;
}

// Ops that are measured together.
struct Row {
  std::string name;
  size_t begin, end;

  Passes of(const std::vector<Passes>& ops) const {
    Passes sum;
    for (size_t op = begin; op < end; ++op) sum += ops[op];
    return sum;
  }
};

nlohmann::json measure(const Graph& graph, const std::vector<Row>& rows, const Setting& setting) {
  ReferenceStep reference(graph, setting.batch, setting.threads);
  OurStep ours(graph, setting);
  const double begin = seconds_now(setting.threads);
  ours.run(1);
  run(reference, graph, setting.threads, 1);
  // Enough steps for a twentieth of a second, both together.
  const double once = seconds_now(setting.threads) - begin;
  const int steps = std::clamp(static_cast<int>(0.05 / once), 2, 1000);

  struct Round {
    Passes primitives, ours;
  };
  std::vector<std::vector<Round>> rounds(rows.size());
  for (int i = 0; i < setting.rounds; ++i) {
    const std::vector<Passes> theirs = run(reference, graph, setting.threads, steps);
    const std::vector<Passes> mine = ours.run(steps);
    for (size_t k = 0; k < rows.size(); ++k) {
      rounds[k].push_back({rows[k].of(theirs), rows[k].of(mine)});
    }
  }
  nlohmann::json results = nlohmann::json::array();
  for (size_t k = 0; k < rows.size(); ++k) {
    const auto median_of = [&](const auto& get) {
      std::vector<double> values;
      for (const Round& round : rounds[k]) values.push_back(get(round));
      return median(values);
    };
    const double steps_to_us = 1e6 / steps;
    results.push_back(
        {{"op", rows[k].name},
         {"batch", setting.batch},
         {"threads", setting.threads},
         {"primitive_us",
          median_of([&](const Round& r) { return steps_to_us * r.primitives.sum(); })},
         {"our_us", median_of([&](const Round& r) { return steps_to_us * r.ours.sum(); })},
         {"ratio_forward",
          median_of([](const Round& r) { return r.primitives.forward / r.ours.forward; })},
         {"ratio_backward",
          median_of([](const Round& r) { return r.primitives.backward / r.ours.backward; })},
         {"ratio", median_of([](const Round& r) { return r.primitives.sum() / r.ours.sum(); })}});
  }
  return results;
}

// Rows of what costs nothing, reshapes for example, are left out.
void print(const nlohmann::json& results) {
  for (const nlohmann::json& r : results) {
    const double primitives = r["primitive_us"], ours = r["our_us"];
    if (primitives == 0 && ours == 0) continue;
    std::printf("%-34s %12.0f %10.0f", r["op"].get<std::string>().c_str(), primitives, ours);
    for (const char* ratio : {"ratio_forward", "ratio_backward", "ratio"}) {
      const double value = r[ratio];
      std::isfinite(value) && value > 0 ? std::printf(" %9.2f", value) : std::printf(" %9s", "-");
    }
    std::printf("\n");
  }
  std::fflush(stdout);
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) try {
  using namespace sluice::bench;
  std::string json_path, only, model;
  Setting setting;
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string argument = argv[i];
    const std::string value = argv[i + 1];
    const int number = std::atoi(value.c_str());
    if (argument == "--json") json_path = value;
    if (argument == "--only") only = value;
    if (argument == "--model") model = value;
    if (argument == "--optimizer") setting.optimizer = value;
    if (argument == "--rounds") setting.rounds = std::max(1, number);
    if (argument == "--batch") setting.batch = std::max(1, number);
    if (argument == "--threads") setting.threads = std::clamp(number, 1, cores);
  }
  std::printf("batch %d, threads %d; microseconds of a step, and the primitives' time / ours\n",
              static_cast<int>(setting.batch), setting.threads);
  std::printf("%-34s %12s %10s %9s %9s %9s\n", "op", "primitives", "ours", "forward", "backward",
              "ratio");
  nlohmann::json results = nlohmann::json::array();
  const auto keep = [&](const nlohmann::json& measured) {
    print(measured);
    results.insert(results.end(), measured.begin(), measured.end());
  };
  if (!model.empty()) {
    const sluice::backend::Graph graph = model_named(model);
    std::vector<Row> rows;
    for (size_t i = 0; i < graph.ops.size(); ++i) rows.push_back({describe(graph, i), i, i + 1});
    rows.push_back({"all", 0, graph.ops.size()});
    keep(measure(graph, rows, setting));
  } else {
    for (const Case& of : cases()) {
      if (std::string(of.name).find(only) == std::string::npos) continue;
      const Trained trained = train(of);
      keep(measure(trained.graph, {{of.name, trained.begin, trained.end}}, setting));
    }
  }
  if (!json_path.empty()) {
    std::ofstream(json_path) << nlohmann::json{{"bench", "ops"}, {"results", results}}.dump(2)
                             << "\n";
  }
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "sluice_ops_bench: %s\n", e.what());
  return 1;
}
