#include "backend/cpu/program.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "backend/cpu/elementwise.h"
#include "backend/cpu/pooling_loops.h"
#include "backend/fusion.h"

namespace sluice::backend::cpu {
namespace {

std::unique_ptr<Kernel> make_kernel(const Build& build, const Stage& stage, Value& x, Value& y) {
  struct Maker {
    const Build& build;
    const Stage& stage;
    Value& x;
    Value& y;
    using Made = std::unique_ptr<Kernel>;
    Made operator()(const Conv2DOp&) const { return make_conv2d(build, stage, x, y); }
    Made operator()(const DenseOp&) const {
      const bool floats = x.type == Type::kFloat32;
      return floats ? make_dense(build, stage, x, y) : make_dense_bfloat16(build, stage, x, y);
    }
    Made operator()(const Pool2DOp&) const { return make_pool2d(build, stage, x, y); }
    Made operator()(const ActivationOp&) const { return make_activation(build, stage, x, y); }
    Made operator()(const DropoutOp&) const { return make_dropout(build, stage, x, y); }
    Made operator()(const HostOp&) const { return make_host(build, stage, x, y); }
    Made operator()(const ReshapeOp&) const { throw std::logic_error("a reshape is not a stage"); }
  };
  if (stage.cast != nullptr) return make_cast(build, stage, x, y);
  try {
    return std::visit(Maker{build, stage, x, y}, stage.op->kind);
  } catch (const dnnl::error& e) {
    throw std::invalid_argument(
        fmt::format("\"{}\": oneDNN cannot compute it for a batch of {}: {}", stage.op->name,
                    build.batch, e.what()));
  }
}

// Whether the stage's backward gives each window's gradient to one of its four pixels.
bool routes_gradient(const Stage& stage) {
  const auto* pool = stage.op == nullptr ? nullptr : std::get_if<Pool2DOp>(&stage.op->kind);
  return pool != nullptr && remembers_cells({*pool, ImageView(stage.op->input, stage.input_layout),
                                             ImageView(stage.op->output, stage.output_layout)});
}

}  // namespace

Program::Program(const Graph& graph, const std::vector<Stage>& stages, const Device& device,
                 ParameterStore& parameters, int64_t batch)
    : batch_(batch),
      positions_(graph.positions()),
      loss_{graph.loss,
            loss_takes_logits(graph) ? LossOptions::Input::kLogits : LossOptions::Input::kOutputs,
            graph.classes()},
      parameters_(parameters),
      input_(plan_.elsewhere(nullptr)) {
  const auto first =
      std::find_if(stages.begin(), stages.end(), [](const Stage& stage) { return stage.trains; });
  first_trained_ = static_cast<size_t>(first - stages.begin());
  add_values(stages);
  const int count = static_cast<int>(stages.size());
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    const Build build{device, parameters, plan_, batch, i, 2 * count - i};
    kernels_.push_back(make_kernel(build, stages[at], values_[at], values_[at + 1]));
  }
  arena_size_ = plan_.place();
}

// Times: stage i runs forward at i and backward at 2n - i, the loss in between at n.
void Program::add_values(const std::vector<Stage>& stages) {
  values_.push_back({.data = input_});
  const int count = static_cast<int>(stages.size());
  for (int i = 0; i < count; ++i) {
    const Stage& stage = stages[static_cast<size_t>(i)];
    const size_t size =
        floats_for(stage.output_type, static_cast<size_t>(batch_ * stage.output().size()));
    const int backward_time = 2 * count - i;
    Value value{
        .layout = stage.output_layout, .type = stage.output_type, .activation = stage.activation};
    value.data = plan_.add(size, i, backward_time);
    if (static_cast<size_t>(i) >= first_trained_) {
      value.gradient = plan_.add(size, backward_time - 1, backward_time);
      value.gradient_is_routed =
          i + 1 < count && routes_gradient(stages[static_cast<size_t>(i) + 1]);
    }
    values_.push_back(value);
  }
}

void Program::forward(const float* x, Mode mode, uint64_t step) {
  input_->data = const_cast<float*>(x);  // only read
  for (const auto& kernel : kernels_) kernel->forward(mode, step);
}

StepMetrics Program::loss(const float* y, float* gradient) {
  StepMetrics metrics =
      compute_loss(loss_, batch_ * positions_, values_.back().data->data, y, gradient);
  metrics.samples = batch_;
  metrics.loss_sum /= static_cast<double>(positions_);
  metrics.correct /= static_cast<double>(positions_);
  return metrics;
}

StepMetrics Program::train_step(const float* x, const float* y, uint64_t step) {
  forward(x, Mode::kTraining, step);
  const Value& output = values_.back();
  float* gradient = output.gradient == nullptr ? nullptr : output.gradient->data;
  const StepMetrics metrics = loss(y, gradient);
  parameters_.begin_step();
  for (size_t i = kernels_.size(); i > first_trained_; --i) kernels_[i - 1]->backward(step);
  return metrics;
}

StepMetrics Program::evaluate(const float* x, const float* y) {
  forward(x, Mode::kInference, 0);
  return loss(y, nullptr);
}

void Program::predict(const float* x, float* y) {
  forward(x, Mode::kInference, 0);
  const float* output = values_.back().data->data;
  if (loss_.input == LossOptions::Input::kLogits) {
    softmax(batch_ * positions_, loss_.outputs, output, y);
  } else {
    std::copy_n(output, batch_ * positions_ * loss_.outputs, y);
  }
}

}  // namespace sluice::backend::cpu
