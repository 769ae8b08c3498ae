#include "backend/cpu/program.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>

#include "backend/cpu/elementwise.h"
#include "backend/cpu/onednn.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/pooling_loops.h"

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

Plan make_cpu_plan(const Graph& graph, const ReplicaOptions& options) {
  return make_plan(graph, {.purpose = options.purpose,
                           .precision = options.precision,
                           .in_blocks = uses_avx512(),
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
    outputs_.push_back({output.loss, plan.outputs[k].activation, graph.classes(output),
                        graph.positions(output), graph.weighted, output.weight});
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
                .backward_time = plan_.last_time(i)};
    const Tensor& output = plan_.tensors[build.step.output];
    if (output.is_read_once()) {
      const size_t reader = output.readers.front();
      build.gradient_is_routed = routes_gradient(plan_.steps[reader], values_.of_step(reader));
    }
    kernels_.push_back(make_kernel_of(build));
  }
}

void Program::forward(const float* x, Mode mode, uint64_t step) {
  values_.x()->data = const_cast<float*>(x);  // only read
  split(batch_, graph_.input_size(), x, values_.x_splits());
  for (const auto& kernel : kernels_) kernel->forward(mode, step);
}

StepMetrics Program::losses(int64_t n, const float* y, Gradients gradients) {
  values_.y()->data = const_cast<float*>(y);  // only read
  split(n, graph_.target_size(), y, values_.y_splits());
  StepMetrics sums;
  sums.samples = n;
  sums.loss_sum = parameters_.penalty() * static_cast<double>(n);
  for (size_t k = 0; k < outputs_.size(); ++k) {
    const LossOptions& options = outputs_[k];
    const OutputValue& output = values_.outputs()[k];
    const bool wanted = gradients == Gradients::kWritten && output.value.gradient != nullptr;
    const StepMetrics loss =
        compute_loss(options, n * options.positions, output.value.data->data, output.targets->data,
                     wanted ? output.value.gradient->data : nullptr);
    if (wanted && output.sum) add_up(*output.sum);
    const auto rows_per_sample = static_cast<double>(options.positions);
    sums.loss_sum += options.weight * (loss.loss_sum / rows_per_sample);
    if (k == 0) sums.correct = loss.correct / rows_per_sample;
  }
  return sums;
}

void Program::add_up(const GradientSum& sum) {
  parallel_for(threads_, sum.size, kChannelBlock, [&](int64_t begin, int64_t end) {
    if (sum.type == Type::kFloat32) {
      add(end - begin, sum.from->data + begin, sum.to->data + begin);
    } else {
      add(end - begin, sum.from->as<Bfloat16>() + begin, sum.to->as<Bfloat16>() + begin);
    }
  });
}

void Program::backward(size_t step, uint64_t number) {
  kernels_[step]->backward(number);
  for (const GradientSum& sum : values_.of_step(step).sums) add_up(sum);
}

StepMetrics Program::train_step(const float* x, const float* y, uint64_t step) {
  forward(x, Mode::kTraining, step);
  const StepMetrics metrics = losses(batch_, y, Gradients::kWritten);
  parameters_.begin_step();
  for (size_t i = plan_.steps.size(); i-- > 0;) {
    if (plan_.steps[i].has_backward) backward(i, step);
  }
  parameters_.end_step();
  return metrics;
}

StepMetrics Program::evaluate(int64_t n, const float* x, const float* y) {
  forward(x, Mode::kInference, 0);
  return losses(n, y, Gradients::kNone);
}

void Program::predict(int64_t n, const float* x, float* y) {
  forward(x, Mode::kInference, 0);
  const int64_t row = graph_.output_size();
  for (size_t k = 0; k < outputs_.size(); ++k) {
    const LossOptions& options = outputs_[k];
    const float* output = values_.outputs()[k].value.data->data;
    const int64_t size = options.positions * options.outputs;
    // One sample's outputs lie between those of others, unless they are all that there is.
    const int64_t together = size == row ? n : 1;
    for (int64_t sample = 0; sample < n; sample += together) {
      const float* from = output + sample * size;
      float* to = y + sample * row;
      if (options.activation == Activation::kSoftmax) {
        softmax(together * options.positions, options.outputs, from, to);
      } else if (options.activation == Activation::kSigmoid) {
        sigmoid(together * size, from, to);
      } else {
        std::copy_n(from, together * size, to);
      }
    }
    y += size;
  }
}

}  // namespace sluice::backend::cpu
