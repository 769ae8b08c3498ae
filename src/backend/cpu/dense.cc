// Fully connected layers: y = activation(x W + b), W in Keras' layout.
//
// Forward on oneDNN, on several threads in slices (dense_slices.h). For inference oneDNN has a copy
// of W in the layout that it asks for, which takes 0.55 to 0.8 of the time where the units are no
// multiple of 16; one row on one thread is computed by a loop of ours (dense_row.h). Backward walks
// over W in blocks of rows that fit the cache: the block's part of x's gradient, then the block's
// own gradient, then the optimizer's step on it. So with an optimizer W and its state pass through
// memory once, and W's gradient not at all. Where x has many rows, such as the positions of images,
// W matters less, and the products are oneDNN's too.
#include <algorithm>
#include <optional>

#include "backend/cpu/activation_loops.h"
#include "backend/cpu/dense_loops.h"
#include "backend/cpu/dense_product.h"
#include "backend/cpu/dense_row.h"
#include "backend/cpu/dense_slices.h"
#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/parameter_gradient.h"
#include "backend/cpu/reordered_parameter.h"

namespace sluice::backend::cpu {
namespace {

constexpr int64_t kBlockFloats = 16384;  // of W, 64 KiB: with gradient and slots within an L2 cache
constexpr int64_t kRowMultiple = 24;     // a multiple of every register tile's height
// From so many rows of x on oneDNN's products are faster than walking over W: 1.2 to 3 times for 64
// to 1024 features and units. At 128 rows it depends.
constexpr int64_t kManyRows = 256;

class Dense final : public Kernel {
 public:
  Dense(const Build& build, const DenseOp& op)
      : device_(build.device),
        parameters_(build.parameters),
        op_(op),
        activation_(build.step.activation),
        x_(build.x()),
        y_(build.y()),
        shape_(dense_shape(build.batch, x_.shape, y_.shape)),
        block_rows_(std::max<int64_t>(1, kBlockFloats / shape_.units / kRowMultiple) *
                    kRowMultiple) {
    make_forward(build);
    if (build.has_backward()) plan_backward(build);
  }

  void forward(Mode, uint64_t) override {
    if (slices_) return slices_->forward();
    if (is_row_) return forward_row();
    if (copied_kernel_) copied_kernel_->refresh(device_.stream);
    forward_->execute(device_.stream);
    if (has_post_op(activation_)) return;
    parallel_for(device_.threads, shape_.rows * shape_.units, kChannelBlock,
                 [this](int64_t begin, int64_t end) { activate(activation_, y_, begin, end); });
  }

  void backward(uint64_t) override {
    float* dy = y_.gradient->data;
    if (!y_.is_differentiated) {
      differentiate(activation_, shape_.rows * shape_.units, y_.data->data, dy);
    }
    if (has_many_rows()) {
      if (input_product_) input_product_->execute(device_.stream);
      if (kernel_product_) kernel_product_->execute(device_.stream);
    } else {
      backward_in_blocks(dy);
    }
    if (kernel_gradient_ && !steps_in_cache_) kernel_gradient_->done();
    if (bias_gradient_) {
      sum_rows(shape_.rows, shape_.units, dy, bias_gradient_->data());
      bias_gradient_->done();
    }
  }

 private:
  bool has_many_rows() const { return shape_.rows >= kManyRows; }

  void forward_row() const {
    const float* b = op_.bias ? parameters_.values_of(*op_.bias) : nullptr;
    const DenseRow row{
        shape_.features, shape_.units, x_.data->data, parameters_.values_of(op_.kernel), b,
        y_.data->data};
    dense_row(row, 0, shape_.units);
    activate(activation_, y_, 0, shape_.units);
  }

  // For a few weights others are not woken up.
  int row_threads() const {
    return shape_.features * shape_.units < kBlockFloats ? 1 : device_.threads;
  }

  void backward_in_blocks(const float* dy) {
    pack_dense_gradient(shape_, dy, columns_->data, lines_->data);
    parallel_pieces(device_.threads, shape_.features, block_rows_,
                    [this](int piece, int64_t begin, int64_t end) {
                      backward_rows(scratch_[static_cast<size_t>(piece)], begin, end);
                    });
  }

  void make_forward(const Build& build) {
    const bool in_blocks = build.has_backward() && !has_many_rows();
    if (in_blocks && DenseSlices::pay(device_.threads, shape_, block_rows_)) {
      slices_.emplace(build, op_, shape_, block_rows_);
      return;
    }
    const bool is_inference = build.purpose == Purpose::kInference;
    is_row_ = is_inference && shape_.rows == 1 && row_threads() == 1;
    if (is_row_) return;
    const Desc x = matrix(shape_.rows, shape_.features), y = matrix(shape_.rows, shape_.units);
    const Primitive::Argument bias = dense_bias(build, op_, shape_.units);
    Desc kernel = matrix(shape_.features, shape_.units);
    Buffer* w = nullptr;
    if (is_inference) {
      const Dims dims{shape_.features, shape_.units};
      const auto best =
          matmul(device_.engine, x, float_desc(dims, Tag::any), bias.desc, y, activation_)
              .weights_desc();
      copied_kernel_.emplace(build, op_.kernel, kernel, best);
      kernel = best;
      w = copied_kernel_->buffer();
    } else {
      w = build.memory.elsewhere(parameters_.values_of(op_.kernel));
    }
    forward_.emplace(make_product(build, build.forward_time, {DNNL_ARG_SRC, x, x_.data},
                                  {DNNL_ARG_WEIGHTS, kernel, w}, bias, {DNNL_ARG_DST, y, y_.data},
                                  activation_));
  }

  static Desc matrix(int64_t rows, int64_t columns) {
    return float_desc(Dims{rows, columns}, Tag::ab);
  }
  static Desc transposed(int64_t rows, int64_t columns) {
    return float_desc(Dims{columns, rows}, Tag::ba);
  }

  void plan_backward(const Build& build) {
    kernel_gradient_ = ParameterGradient::if_wanted(build, 0);
    bias_gradient_ = ParameterGradient::if_wanted(build, 1);
    has_many_rows() ? plan_products(build) : plan_blocks(build);
  }

  // dx = dy W^T and dW = x^T dy.
  void plan_products(const Build& build) {
    const int64_t rows = shape_.rows, features = shape_.features, units = shape_.units;
    if (x_.gradient != nullptr) {
      Buffer* const w = build.memory.elsewhere(parameters_.values_of(op_.kernel));
      input_product_.emplace(
          make_product(build, build.backward_time, {DNNL_ARG_SRC, matrix(rows, units), y_.gradient},
                       {DNNL_ARG_WEIGHTS, transposed(features, units), w}, no_bias(),
                       {DNNL_ARG_DST, matrix(rows, features), x_.gradient}, Activation::kLinear));
    }
    if (!kernel_gradient_) return;
    kernel_product_.emplace(make_product(
        build, build.backward_time, {DNNL_ARG_SRC, transposed(rows, features), x_.data},
        {DNNL_ARG_WEIGHTS, matrix(rows, units), y_.gradient}, no_bias(),
        {DNNL_ARG_DST, matrix(features, units), kernel_gradient_->buffer()}, Activation::kLinear));
  }

  void plan_blocks(const Build& build) {
    const auto add = [&](int64_t floats) {
      return build.memory.add(static_cast<size_t>(floats), build.backward_time,
                              build.backward_time);
    };
    columns_ = add(shape_.units * shape_.padded_rows());
    lines_ = add(shape_.rows * shape_.padded_units());
    for (int i = 0; i < device_.threads; ++i) {
      scratch_.push_back({add(block_rows_ * shape_.rows), add(block_rows_ * shape_.units)});
    }
    steps_in_cache_ =
        parameters_.steps_in_pieces(op_.kernel) && kernel_gradient_ && kernel_gradient_->is_alone();
  }

  struct Scratch {
    Buffer* x;   // [rows, block]
    Buffer* dw;  // [block, units]
  };

  // Rows [begin, end) of W, on one thread.
  void backward_rows(const Scratch& scratch, int64_t begin, int64_t end) const {
    const float* w = parameters_.values_of(op_.kernel);
    for (; begin < end; begin += block_rows_) {
      const int64_t stop = std::min(end, begin + block_rows_);
      if (x_.gradient != nullptr) {
        dense_input_gradient(shape_, begin, stop, w, columns_->data, x_.gradient->data);
      }
      if (!kernel_gradient_) continue;
      pack_dense_input(shape_, begin, stop, x_.data->data, scratch.x->data);
      const auto offset = static_cast<size_t>(begin * shape_.units);
      const auto size = static_cast<size_t>((stop - begin) * shape_.units);
      float* dw = steps_in_cache_ ? scratch.dw->data : kernel_gradient_->data() + offset;
      dense_kernel_gradient(shape_, begin, stop, scratch.x->data, lines_->data, dw);
      if (steps_in_cache_) parameters_.apply(op_.kernel.offset + offset, {dw, size});
    }
  }

  const Device& device_;
  ParameterStore& parameters_;
  const DenseOp& op_;
  const Activation activation_;
  const Value& x_;
  const Value& y_;
  const DenseShape shape_;
  const int64_t block_rows_;
  std::optional<Primitive> forward_;
  std::optional<ReorderedParameter> copied_kernel_;  // of inference
  std::optional<DenseSlices> slices_;  // or these
  bool is_row_ = false;                // or dense_row()
  Buffer* columns_ = nullptr;
  Buffer* lines_ = nullptr;
  std::vector<Scratch> scratch_;                             // one per thread
  std::optional<Primitive> input_product_, kernel_product_;  // of many rows
  std::optional<ParameterGradient> kernel_gradient_, bias_gradient_;
  bool steps_in_cache_ = false;  // the kernel's gradient is used up block by block
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const DenseOp& op) {
  if (build.x().type == Type::kBfloat16) return make_dense_bfloat16(build, op);
  return std::make_unique<Dense>(build, op);
}

}  // namespace sluice::backend::cpu
