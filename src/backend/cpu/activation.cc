// An activation that no kernel before it could take along: elementwise by oneDNN where it has it,
// else by our loops, over the last axis by Eigen.
#include <optional>

#include "backend/cpu/activation_loops.h"
#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/primitive.h"

namespace sluice::backend::cpu {
namespace {

class Elementwise final : public Kernel {
 public:
  Elementwise(const Build& build, const Activation& activation)
      : device_(build.device),
        activation_(activation),
        x_(build.x()),
        y_(build.y()),
        size_(build.batch * y_.shape.size()) {
    if (!has_post_op(activation_)) return;
    const Desc desc = float_desc(Dims{size_}, Tag::a);
    const auto primitive_desc = elementwise(device_.engine, desc, activation_);
    forward_.emplace(dnnl::eltwise_forward(primitive_desc), device_.engine,
                     std::vector<Primitive::Argument>{{DNNL_ARG_SRC, desc, x_.data},
                                                      {DNNL_ARG_DST, desc, y_.data}});
  }

  void forward(Mode, uint64_t) override {
    if (forward_) return forward_->execute(device_.stream);
    parallel_for(device_.threads, size_, kChannelBlock, [this](int64_t begin, int64_t end) {
      activate(activation_, end - begin, x_.data->data + begin, y_.data->data + begin);
    });
  }

  void backward(uint64_t) override {
    if (x_.gradient == nullptr) return;
    parallel_for(device_.threads, size_, kChannelBlock, [this](int64_t begin, int64_t end) {
      float* dx = x_.gradient->data + begin;
      std::copy(y_.gradient->data + begin, y_.gradient->data + end, dx);
      if (activation_.is_differentiable_from_output()) {
        differentiate(activation_, end - begin, y_.data->data + begin, dx);
      } else {
        differentiate_from_input(activation_, end - begin, x_.data->data + begin, dx);
      }
    });
  }

 private:
  const Device& device_;
  const Activation activation_;
  const Value& x_;
  const Value& y_;
  const int64_t size_;
  std::optional<Primitive> forward_;  // none: our loops
};

// And its logarithm.
class Softmax final : public Kernel {
 public:
  Softmax(const Build& build, const ActivationOp& op)
      : threads_(build.device.threads),
        log_(op.activation == Activation::kLogSoftmax),
        x_(build.x()),
        y_(build.y()),
        rows_(softmax_rows(op, x_.shape)),
        outer_(build.batch * rows_.outer) {
    if (rows_.inner == 1) return;
    const auto size = static_cast<size_t>(build.batch * x_.shape.size());
    // The rows side by side: of x and y, or of y, its gradient and x's.
    first_ = build.memory.add(size, build.forward_time, build.forward_time);
    if (x_.gradient == nullptr) return;
    second_ = build.memory.add(size, build.backward_time, build.backward_time);
    third_ = build.memory.add(size, build.backward_time, build.backward_time);
  }

  void forward(Mode, uint64_t) override {
    const auto compute = log_ ? log_softmax : softmax;
    const int64_t columns = rows_.columns;
    for_each_slice([&](int64_t rows, int64_t at) {
      const float* x = x_.data->data + at;
      float* y = y_.data->data + at;
      if (rows_.inner == 1) return compute(rows, columns, x, y);
      float* const row_by_row = first_->data + at;
      transpose(columns, rows_.inner, x, row_by_row);
      compute(rows, columns, row_by_row, row_by_row);
      transpose(rows_.inner, columns, row_by_row, y);
    });
  }

  void backward(uint64_t) override {
    if (x_.gradient == nullptr) return;
    const auto compute = log_ ? log_softmax_gradient : softmax_gradient;
    const int64_t columns = rows_.columns;
    for_each_slice([&](int64_t rows, int64_t at) {
      const float *y = y_.data->data + at, *dy = y_.gradient->data + at;
      float* dx = x_.gradient->data + at;
      if (rows_.inner == 1) return compute(rows, columns, y, dy, dx);
      float *const ys = second_->data + at, *const gradients = third_->data + at;
      transpose(columns, rows_.inner, y, ys);
      transpose(columns, rows_.inner, dy, gradients);
      compute(rows, columns, ys, gradients, ys);
      transpose(rows_.inner, columns, ys, dx);
    });
  }

 private:
  // Calls body(rows, where the first begins) for parts of the batch.
  template <typename Body>
  void for_each_slice(const Body& body) {
    const int64_t size = rows_.columns * rows_.inner;
    parallel_for(threads_, outer_, 1, [&](int64_t begin, int64_t end) {
      if (rows_.inner == 1) return body(end - begin, begin * size);
      for (int64_t i = begin; i < end; ++i) body(rows_.inner, i * size);
    });
  }

  const int threads_;
  const bool log_;
  const Value& x_;
  const Value& y_;
  const SoftmaxRows rows_;
  const int64_t outer_;
  Buffer *first_ = nullptr, *second_ = nullptr, *third_ = nullptr;  // where inner > 1
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const ActivationOp& op) {
  if (op.activation.is_elementwise()) return std::make_unique<Elementwise>(build, op.activation);
  return std::make_unique<Softmax>(build, op);
}

}  // namespace sluice::backend::cpu
