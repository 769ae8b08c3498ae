#include "backend/cpu/dense_slices.h"

#include <algorithm>

#include "backend/cpu/activation_loops.h"
#include "backend/cpu/dense_product.h"
#include "backend/cpu/elementwise.h"
#include "backend/cpu/parallel.h"

namespace sluice::backend::cpu {

bool DenseSlices::pay(int threads, const DenseShape& shape, int64_t grain) {
  return threads > 1 && shape.features > grain * (threads - 1) &&
         2 * threads * shape.rows <= shape.features;
}

DenseSlices::DenseSlices(const Build& build, const DenseOp& op, const DenseShape& shape,
                         int64_t grain)
    : threads_(build.device.threads),
      shape_(shape),
      activation_(build.step.activation),
      x_(build.x()),
      y_(build.y()),
      bias_(op.bias ? build.parameters.values_of(*op.bias) : nullptr) {
  const ThreadScope one(1);
  for (int i = 0; i < threads_; ++i) {
    const auto [begin, end] = piece_of(shape.features, grain, i, threads_);
    const int64_t features = end - begin;
    Buffer* const x = build.memory.elsewhere(nullptr);
    Buffer* const w =
        build.memory.elsewhere(build.parameters.values_of(op.kernel) + begin * shape.units);
    Buffer* const y = build.memory.add(static_cast<size_t>(shape.rows * shape.units),
                                       build.forward_time, build.forward_time);
    const Desc columns_of_x(Dims{shape.rows, features}, onednn_type(Type::kFloat32),
                            Dims{shape.features, 1});
    slices_.push_back(
        {make_product(build, build.forward_time, {DNNL_ARG_SRC, columns_of_x, x},
                      {DNNL_ARG_WEIGHTS, float_desc(Dims{features, shape.units}, Tag::ab), w},
                      no_bias(),
                      {DNNL_ARG_DST, float_desc(Dims{shape.rows, shape.units}, Tag::ab), y},
                      Activation::kLinear),
         x, begin, y, dnnl::stream(build.device.engine)});
  }
}

void DenseSlices::forward() {
  for (Slice& slice : slices_) slice.x->data = x_.data->data + slice.first_feature;
  parallel_for(threads_, threads_, 1, [this](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Slice& slice = slices_[static_cast<size_t>(i)];
      slice.product.execute(slice.stream);
    }
  });
  constexpr int64_t kGrain = 16384;  // numbers; below it a second thread costs more than it does
  parallel_for(threads_, shape_.rows, std::max<int64_t>(1, kGrain / shape_.units),
               [this](int64_t begin, int64_t end) { add_up(begin, end); });
}

void DenseSlices::add_up(int64_t begin, int64_t end) const {
  const int64_t units = shape_.units;
  for (int64_t row = begin; row < end; ++row) {
    float* const y = y_.data->data + row * units;
    std::copy_n(slices_.front().y->data + row * units, units, y);
    for (size_t i = 1; i < slices_.size(); ++i) add(units, slices_[i].y->data + row * units, y);
    if (bias_ != nullptr) add(units, bias_, y);
    if (activation_ != Activation::kLinear) activate(activation_, units, y);
  }
}

}  // namespace sluice::backend::cpu
