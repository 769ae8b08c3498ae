#include "backend/cpu/program.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>

#include "backend/cpu/activation_loops.h"
#include "backend/cpu/convolution.h"
#include "backend/cpu/elementwise.h"
#include "backend/cpu/metrics.h"
#include "backend/cpu/onednn.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/pooling_loops.h"
#include "backend/cpu/weight_rules.h"

namespace sluice::backend::cpu {
namespace {

bool is_max_pool(const Op& op) {
  const auto* pool = std::get_if<Pool2DOp>(&op.kind);
  return pool != nullptr && pool->kind == Pool2DOp::Kind::kMax;
}

// Max pooling writes its input's gradient pixel by pixel, and can leave out those that a ReLU cut.
bool differentiates(const Op& reader, const Activation& activation) {
  return is_max_pool(reader) && activation == Activation::kRelu;
}

// Whether the step gives each window's gradient to one of its four pixels.
bool routes_gradient(const Step& step, const StepValues& values) {
  if (step.op == nullptr || !is_max_pool(*step.op)) return false;
  const Value &x = values.x.front(), &y = values.y;
  return remembers_cells({std::get<Pool2DOp>(step.op->kind), ImageView(x.shape, x.layout),
                          ImageView(y.shape, y.layout)});
}

std::unique_ptr<Kernel> make_kernel_of(const Build& build) {
  if (build.step.op == nullptr) return make_cast(build);
  try {
    return std::visit([&](const auto& op) { return make_kernel(build, op); }, build.step.op->kind);
  } catch (const dnnl::error& e) {
    throw std::invalid_argument(
        fmt::format("\"{}\": oneDNN cannot compute it for a batch of {}: {}", build.step.op->name,
                    build.batch, e.what()));
  }
}

// Takes columns out of n rows of `width` floats each.
void split(int64_t n, int64_t width, const float* rows, const std::vector<Split>& splits) {
  for (const auto& [column, to, place] : splits) {
    for (int64_t i = 0; i < n; ++i) {
      std::copy_n(rows + i * width + column.begin, column.size,
                  to->data + i * place.width + place.begin);
    }
  }
}

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build&, const ReshapeOp&) {
  throw std::logic_error("a reshape is never a step");
}

// oneDNN's convolutions by AMX take images channels last, and are ten times as fast in bfloat16 as
// those by AVX-512, which take blocks.
static bool prefers_blocks(Precision precision) {
  return uses_avx512() && !(precision == Precision::kMixedBfloat16 && has_amx());
}

Plan make_cpu_plan(const Graph& graph, const ReplicaOptions& options) {
  return make_plan(graph, {.purpose = options.purpose,
                           .precision = options.precision,
                           .in_blocks = prefers_blocks(options.precision),
                           .folds = true,
                           .gains_from_blocks = gains_from_blocks,
                           .differentiates = differentiates});
}

Program::Program(const Graph& graph, const Plan& plan, const Device& device,
                 ParameterStore& parameters, int64_t batch)
    : graph_(graph),
      plan_(plan),
      batch_(batch),
      threads_(device.threads),
      parameters_(parameters),
      values_(graph, plan, batch, memory_) {
  for (size_t k = 0; k < graph.outputs.size(); ++k) {
    const GraphOutput& output = graph.outputs[k];
    const LossOptions loss{output.loss,
                           plan.outputs[k].activation,
                           graph.classes(output),
                           graph.positions(output),
                           graph.weighted,
                           output.weight,
                           batch_losses::kept_axes(output.loss, graph.shape_of(output))};
    const bool measured =
        loss.activation != Activation::kLinear &&
        std::any_of(output.metrics.begin(), output.metrics.end(), needs_probabilities);
    const auto size = static_cast<size_t>(batch * graph.shape_of(output).size());
    const auto place = [&](bool needed, size_t floats) {
      return needed ? memory_.add(floats, plan.loss_time(), plan.loss_time()) : nullptr;
    };
    const bool compares = std::holds_alternative<Circle>(output.loss.loss);
    outputs_.push_back({loss, place(measured, size), place(compares, static_cast<size_t>(batch))});
  }
  make_kernels(device);
  arena_size_ = memory_.place();
}

void Program::make_kernels(const Device& device) {
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    Build build{.device = device,
                .parameters = parameters_,
                .memory = memory_,
                .batch = batch_,
                .step = plan_.steps[i],
                .values = values_.of_step(i),
                .forward_time = plan_.forward_time(i),
                .backward_time = plan_.last_time(i),
                .purpose = plan_.purpose};
    const Tensor& output = plan_.tensors[build.step.output];
    if (output.is_read_once()) {
      const size_t reader = output.readers.front();
      build.gradient_is_routed = routes_gradient(plan_.steps[reader], values_.of_step(reader));
    }
    kernels_.push_back(make_kernel_of(build));
  }
}

void Program::wrap_kernels(const Wrap& wrap) {
  for (size_t i = 0; i < kernels_.size(); ++i) {
    kernels_[i] = wrap(plan_.steps[i], std::move(kernels_[i]));
  }
}

void Program::forward(const float* x, Mode mode, uint64_t step) {
  values_.x()->data = const_cast<float*>(x);  // only read
  split(batch_, graph_.input_size(), x, values_.x_splits());
  for (const auto& kernel : kernels_) kernel->forward(mode, step);
}

void Program::losses(int64_t n, const float* y, Gradients gradients, StepMetrics& sums) {
  values_.y()->data = const_cast<float*>(y);  // only read
  split(n, graph_.target_size(), y, values_.y_splits());
  sums.samples += n;
  sums.loss_sum += parameters_.penalty() * static_cast<double>(n);
  std::span<double> counters = sums.counters;  // of this output and those behind it
  for (size_t k = 0; k < outputs_.size(); ++k) {
    const LossOptions& options = outputs_[k].loss;
    const OutputValue& output = values_.outputs()[k];
    const bool wanted = gradients == Gradients::kWritten && output.value.gradient != nullptr;
    const LossSums loss =
        compute_loss(options, n * options.positions, output.value.data->data, output.targets->data,
                     wanted ? output.value.gradient->data : nullptr,
                     outputs_[k].products == nullptr ? nullptr : outputs_[k].products->data);
    if (wanted && output.sum) add_up(*output.sum);
    const double loss_sum = loss.loss_sum / static_cast<double>(options.positions);
    sums.loss_sum += options.weight * loss_sum;
    if (outputs_.size() > 1) {
      counters.front() += loss_sum;
      counters = counters.subspan(1);
    }
    measure_output(k, n, loss.correct, counters);
    for (const Metric& metric : graph_.outputs[k].metrics) {
      counters = counters.subspan(counters_of(metric, options.outputs));
    }
  }
  penalties(n, gradients, sums);
}

void Program::penalties(int64_t n, Gradients gradients, StepMetrics& sums) {
  for (size_t k = 0; k < graph_.activity_penalties.size(); ++k) {
    const ActivityPenalty& penalty = graph_.activity_penalties[k];
    const PenalizedValue& penalized = values_.penalized()[k];
    const int64_t size = n * penalized.value.shape.size();
    const float* y = penalized.value.data->data;
    sums.loss_sum += penalty_of(y, static_cast<size_t>(size), static_cast<double>(penalty.l1),
                                static_cast<double>(penalty.l2));
    if (gradients == Gradients::kNone || penalized.value.gradient == nullptr) continue;
    float* dy = penalized.value.gradient->data;
    const float l1 = penalty.l1 / static_cast<float>(n), l2 = penalty.l2 / static_cast<float>(n);
    parallel_for(threads_, size, kChannelBlock, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) dy[i] = penalty_gradient(l1, l2, y[i]);
    });
    if (penalized.sum) add_up(*penalized.sum);
  }
}

// Applies what the loss takes the inputs of.
void Program::activate(Activation activation, int64_t rows, int64_t outputs, const float* from,
                       float* to) {
  if (activation == Activation::kSoftmax) {
    softmax(rows, outputs, from, to);
  } else if (activation == Activation::kSigmoid) {
    sigmoid(rows * outputs, from, to);
  } else {
    std::copy_n(from, rows * outputs, to);
  }
}

void Program::measure_output(size_t k, int64_t n, double correct, std::span<double> counters) {
  const LossOptions& options = outputs_[k].loss;
  const OutputValue& output = values_.outputs()[k];
  MeasuredRows rows{.rows = n * options.positions,
                    .outputs = options.outputs,
                    .positions = options.positions,
                    .p = output.value.data->data,
                    .y = output.targets->data,
                    .has_class_numbers = graph_.outputs[k].takes_class_numbers(),
                    .weighted = options.weighted};
  if (outputs_[k].probabilities != nullptr) {
    float* p = outputs_[k].probabilities->data;
    activate(options.activation, rows.rows, rows.outputs, rows.p, p);
    rows.p = p;
  }
  for (const Metric& metric : graph_.outputs[k].metrics) {
    const size_t count = counters_of(metric, rows.outputs);
    if (is_accuracy(metric)) {
      counters.front() += correct;
    } else {
      measure(metric, rows, counters.first(count));
    }
    counters = counters.subspan(count);
  }
}

void Program::add_up(const GradientSum& sum) {
  const auto in_type = [&sum](auto number) {
    using Number = decltype(number);
    return [&sum](int64_t begin, int64_t n) {
      Number* const to = sum.to->as<Number>() + begin;
      add(n, sum.from->as<Number>() + begin, to);
      if (sum.y != nullptr) differentiate(sum.activation, n, sum.y->as<Number>() + begin, to);
    };
  };
  if (sum.type == Type::kFloat32) {
    in_pieces(threads_, sum.size, in_type(float{}));
  } else {
    in_pieces(threads_, sum.size, in_type(Bfloat16{}));
  }
}

void Program::backward(size_t step, uint64_t number) {
  kernels_[step]->backward(number);
  for (const GradientSum& sum : values_.of_step(step).sums) add_up(sum);
}

void Program::train_step(const float* x, const float* y, uint64_t step, StepMetrics& sums) {
  forward(x, Mode::kTraining, step);
  losses(batch_, y, Gradients::kWritten, sums);
  parameters_.begin_step();
  for (size_t i = plan_.steps.size(); i-- > 0;) {
    if (plan_.steps[i].has_backward) backward(i, step);
  }
  parameters_.end_step();
}

void Program::evaluate(int64_t n, const float* x, const float* y, StepMetrics& sums) {
  forward(x, Mode::kInference, 0);
  losses(n, y, Gradients::kNone, sums);
}

void Program::predict(int64_t n, const float* x, float* y) {
  forward(x, Mode::kInference, 0);
  const int64_t row = graph_.output_size();
  for (size_t k = 0; k < outputs_.size(); ++k) {
    const LossOptions& options = outputs_[k].loss;
    const float* output = values_.outputs()[k].value.data->data;
    const int64_t size = options.positions * options.outputs;
    // One sample's outputs lie between those of others, unless they are all that there is.
    const int64_t together = size == row ? n : 1;
    for (int64_t sample = 0; sample < n; sample += together) {
      const float* from = output + sample * size;
      float* to = y + sample * row;
      activate(options.activation, together * options.positions, options.outputs, from, to);
    }
    y += size;
  }
}

}  // namespace sluice::backend::cpu
