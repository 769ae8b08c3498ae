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
    : plan_(plan),
      batch_(batch),
      positions_(graph.positions()),
      loss_{graph.loss, plan.output_activation, graph.classes(), positions_, graph.weighted},
      threads_(device.threads),
      parameters_(parameters),
      values_(plan, batch, memory_) {
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
  values_.input()->data = const_cast<float*>(x);  // only read
  for (const auto& kernel : kernels_) kernel->forward(mode, step);
}

StepMetrics Program::loss(int64_t n, const float* y, float* gradient) {
  StepMetrics metrics =
      compute_loss(loss_, n * positions_, values_.output().data->data, y, gradient);
  metrics.samples = n;
  metrics.loss_sum /= static_cast<double>(positions_);
  metrics.loss_sum += parameters_.penalty() * static_cast<double>(n);
  metrics.correct /= static_cast<double>(positions_);
  return metrics;
}

void Program::backward(size_t step, uint64_t number) {
  kernels_[step]->backward(number);
  for (const GradientSum& sum : values_.of_step(step).sums) {
    parallel_for(threads_, sum.size, kChannelBlock, [&](int64_t begin, int64_t end) {
      if (sum.type == Type::kFloat32) {
        add(end - begin, sum.from->data + begin, sum.to->data + begin);
      } else {
        add(end - begin, sum.from->as<Bfloat16>() + begin, sum.to->as<Bfloat16>() + begin);
      }
    });
  }
}

StepMetrics Program::train_step(const float* x, const float* y, uint64_t step) {
  forward(x, Mode::kTraining, step);
  const Value& output = values_.output();
  float* gradient = output.gradient == nullptr ? nullptr : output.gradient->data;
  const StepMetrics metrics = loss(batch_, y, gradient);
  parameters_.begin_step();
  for (size_t i = plan_.steps.size(); i-- > 0;) {
    if (plan_.steps[i].has_backward) backward(i, step);
  }
  parameters_.end_step();
  return metrics;
}

StepMetrics Program::evaluate(int64_t n, const float* x, const float* y) {
  forward(x, Mode::kInference, 0);
  return loss(n, y, nullptr);
}

void Program::predict(int64_t n, const float* x, float* y) {
  forward(x, Mode::kInference, 0);
  const float* output = values_.output().data->data;
  const int64_t rows = n * positions_;
  if (plan_.output_activation == Activation::kSoftmax) {
    softmax(rows, loss_.outputs, output, y);
  } else if (plan_.output_activation == Activation::kSigmoid) {
    sigmoid(rows * loss_.outputs, output, y);
  } else {
    std::copy_n(output, rows * loss_.outputs, y);
  }
}

}  // namespace sluice::backend::cpu
