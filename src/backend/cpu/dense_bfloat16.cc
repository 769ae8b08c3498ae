// Fully connected layers in bfloat16: y = activation(x W + b) and its gradients, all on oneDNN.
//
// W stays float32 in Keras' layout; the products take one bfloat16 copy of it, also transposed.
// With an optimizer W's gradient is computed in blocks of rows, and each is applied, and the copy
// made anew, while the block is in the cache: the gradient never goes to memory.
#include <algorithm>
#include <optional>

#include "backend/cpu/activation_loops.h"
#include "backend/cpu/dense_loops.h"
#include "backend/cpu/dense_product.h"
#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/parameter_gradient.h"
#include "backend/cpu/reordered_parameter.h"

namespace sluice::backend::cpu {
namespace {

// Of W, for each thread: with its gradient, the optimizer's slots and the copy within an L2 cache.
constexpr int64_t kBlockFloats = 40960;
constexpr int64_t kRowMultiple = 64;

class DenseBfloat16 final : public Kernel {
 public:
  DenseBfloat16(const Build& build, const DenseOp& op)
      : device_(build.device),
        parameters_(build.parameters),
        op_(op),
        activation_(build.step.activation),
        x_(build.x()),
        y_(build.y()),
        shape_(dense_shape(build.batch, x_.shape, y_.shape)),
        block_rows_(
            std::min(shape_.features, std::max<int64_t>(1, build.device.threads * kBlockFloats /
                                                               shape_.units / kRowMultiple) *
                                          kRowMultiple)),
        w_(build, op_.kernel, float_desc(kernel_dims(), Tag::ab), kernel_desc()) {
    make_forward(build);
    if (!build.has_backward()) return;
    if (y_.type == Type::kFloat32) {
      const auto size = static_cast<size_t>(shape_.rows * shape_.units);
      dy_ = build.memory.add(floats_for(Type::kBfloat16, size), build.backward_time,
                             build.backward_time);
    } else {
      dy_ = y_.gradient;
    }
    if (x_.gradient != nullptr) make_input_gradient(build);
    gradient_ = ParameterGradient::if_wanted(build, 0);
    bias_gradient_ = ParameterGradient::if_wanted(build, 1);
    steps_in_cache_ = parameters_.steps_in_pieces(op_.kernel) && gradient_ && gradient_->is_alone();
    if (gradient_) make_kernel_gradient(build);
  }

  void forward(Mode, uint64_t) override {
    w_.refresh(device_.stream);
    forward_->execute(device_.stream);
    if (!has_post_op(activation_)) activate(activation_, y_, 0, y_size());
  }

  void backward(uint64_t) override {
    if (!y_.is_differentiated) differentiate(activation_, y_, 0, y_size());
    if (y_.type == Type::kFloat32) convert(y_size(), y_.gradient->data, dy_->as<Bfloat16>());
    if (input_gradient_) input_gradient_->execute(device_.stream);
    if (steps_in_cache_) {
      for (int64_t row = 0; row < shape_.features; row += block_rows_) step_block(row);
      w_.is_fresh();
    } else if (kernel_gradient_) {
      kernel_gradient_->execute(device_.stream);
      gradient_->done();
    }
    if (!bias_gradient_) return;
    sum_rows(shape_.rows, shape_.units, dy_->as<Bfloat16>(), bias_gradient_->data());
    bias_gradient_->done();
  }

 private:
  int64_t y_size() const { return shape_.rows * shape_.units; }
  Dims kernel_dims() const { return {shape_.features, shape_.units}; }
  Desc kernel_desc() const { return tensor_desc(Type::kBfloat16, kernel_dims(), Tag::ab); }

  // y [rows, units] = x [rows, features] W
  void make_forward(const Build& build) {
    forward_.emplace(make_product(
        build, build.forward_time, {DNNL_ARG_SRC, matrix(x_.type, shape_.features), x_.data},
        {DNNL_ARG_WEIGHTS, kernel_desc(), w_.buffer()}, dense_bias(build, op_, shape_.units),
        {DNNL_ARG_DST, matrix(y_.type, shape_.units), y_.data}, activation_));
  }

  // dx [rows, features] = dy [rows, units] W^T
  void make_input_gradient(const Build& build) {
    const Desc transposed =
        tensor_desc(Type::kBfloat16, Dims{shape_.units, shape_.features}, Tag::ba);
    input_gradient_.emplace(make_product(
        build, build.backward_time, {DNNL_ARG_SRC, matrix(Type::kBfloat16, shape_.units), dy_},
        {DNNL_ARG_WEIGHTS, transposed, w_.buffer()}, no_bias(),
        {DNNL_ARG_DST, matrix(x_.type, shape_.features), x_.gradient}, Activation::kLinear));
  }

  // dW [features, units] = x^T [features, rows] dy [rows, units], in float32; with an optimizer for
  // a block of the features at a time.
  void make_kernel_gradient(const Build& build) {
    const bool in_blocks = steps_in_cache_;
    const int64_t features = in_blocks ? block_rows_ : shape_.features;
    const Desc transposed(Dims{features, shape_.rows}, onednn_type(x_.type),
                          Dims{1, shape_.features});
    x_block_ = in_blocks ? build.memory.elsewhere(nullptr) : x_.data;
    dw_ = in_blocks ? build.memory.add(static_cast<size_t>(features * shape_.units),
                                       build.backward_time, build.backward_time)
                    : gradient_->buffer();
    kernel_gradient_.emplace(
        make_product(build, build.backward_time, {DNNL_ARG_SRC, transposed, x_block_},
                     {DNNL_ARG_WEIGHTS, matrix(Type::kBfloat16, shape_.units), dy_}, no_bias(),
                     {DNNL_ARG_DST, float_desc(Dims{features, shape_.units}, Tag::ab), dw_},
                     Activation::kLinear));
  }

  // The gradient of W's rows from `row` on, the optimizer's step, and the copy.
  void step_block(int64_t row) {
    // The last block begins among rows that have taken their step.
    const int64_t first = std::min(row, shape_.features - block_rows_);
    x_block_->data = reinterpret_cast<float*>(x_.data->as<Bfloat16>() + first);
    kernel_gradient_->execute(device_.stream);
    const float* dw = dw_->data + (row - first) * shape_.units;
    const int64_t offset = row * shape_.units;
    parallel_for(device_.threads, (first + block_rows_ - row) * shape_.units, kChannelBlock,
                 [&](int64_t begin, int64_t end) {
                   const int64_t at = offset + begin, size = end - begin;
                   parameters_.apply(op_.kernel.offset + static_cast<size_t>(at),
                                     {dw + begin, static_cast<size_t>(size)});
                   convert(size, parameters_.values_of(op_.kernel) + at,
                           w_.buffer()->as<Bfloat16>() + at);
                 });
  }

  Desc matrix(Type type, int64_t columns) const {
    return tensor_desc(type, Dims{shape_.rows, columns}, Tag::ab);
  }

  const Device& device_;
  ParameterStore& parameters_;
  const DenseOp& op_;
  const Activation activation_;
  const Value& x_;
  const Value& y_;
  const DenseShape shape_;
  const int64_t block_rows_;
  ReorderedParameter w_;
  Buffer* dy_ = nullptr;       // y's gradient in bfloat16
  Buffer* x_block_ = nullptr;  // x from the block's first feature on
  Buffer* dw_ = nullptr;
  std::optional<ParameterGradient> gradient_, bias_gradient_;  // of the kernel and the bias
  bool steps_in_cache_ = false;  // the kernel's gradient is used up block by block
  std::optional<Primitive> forward_, input_gradient_, kernel_gradient_;
};

}  // namespace

std::unique_ptr<Kernel> make_dense_bfloat16(const Build& build, const DenseOp& op) {
  return std::make_unique<DenseBfloat16>(build, op);
}

}  // namespace sluice::backend::cpu
