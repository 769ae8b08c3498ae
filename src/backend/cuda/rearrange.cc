// Elements that move: rearranged, put one behind the other, interpolated.
#include "backend/concatenation.h"
#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

class Rearrange final : public Operation {
 public:
  Rearrange(const Build& build, const RearrangeOp& op)
      : context_(build.context),
        x_(build.x()),
        y_(build.y()),
        forward_(rearrangement_of(op, build.batch, x_.shape, y_.shape, y_.layout)),
        backward_(in_order_of_input(forward_)) {}

  void forward(Mode) override {
    rearrange(forward_, y_.type, x_.data->data, y_.data->data, context_.main.stream.get());
  }

  void backward() override {
    if (x_.gradient == nullptr) return;
    rearrange_backward(backward_, y_.type, y_.gradient->data, x_.gradient->data,
                       context_.main.stream.get());
  }

 private:
  const Context& context_;
  const Value& x_;
  const Value& y_;
  const Rearrangement forward_, backward_;
};

// By the copies of rectangles that CUDA has.
class Concatenate final : public Operation {
 public:
  Concatenate(const Build& build, const ConcatenateOp& op)
      : context_(build.context),
        values_(build.values),
        concatenation_(concatenation_of(op, build.batch, values_)) {}

  void forward(Mode) override {
    size_t in_y = 0;
    for (size_t i = 0; i < values_.x.size(); ++i) {
      const size_t width = bytes(concatenation_.pieces[i]);
      copy(values_.y.data->as<char>() + in_y, bytes(concatenation_.columns),
           values_.x[i].data->as<char>(), width, width);
      in_y += width;
    }
  }

  void backward() override {
    size_t in_y = 0;
    for (size_t i = 0; i < values_.x.size(); ++i) {
      const size_t width = bytes(concatenation_.pieces[i]);
      if (values_.x[i].gradient != nullptr) {
        copy(values_.x[i].gradient->as<char>(), width, values_.y.gradient->as<char>() + in_y,
             bytes(concatenation_.columns), width);
      }
      in_y += width;
    }
  }

 private:
  size_t bytes(int64_t columns) const {
    return static_cast<size_t>(columns) * size_of(values_.y.type);
  }
  void copy(char* to, size_t to_stride, const char* from, size_t from_stride, size_t width) const {
    SLUICE_CHECKED(cudaMemcpy2DAsync(to, to_stride, from, from_stride, width,
                                     static_cast<size_t>(concatenation_.rows),
                                     cudaMemcpyDeviceToDevice, context_.main.stream.get()));
  }

  const Context& context_;
  const StepValues& values_;
  const Concatenation concatenation_;
};

class Interpolate final : public Operation {
 public:
  Interpolate(const Build& build, const InterpolateOp& op)
      : context_(build.context),
        x_(build.x()),
        y_(build.y()),
        shape_(interpolation_of(op, build.batch, x_.shape, x_.layout)),
        weights_(interpolation_weights(op, shape_)),
        device_weights_(*build.context.device, weights_.size()) {
    SLUICE_CHECKED(cudaMemcpyAsync(device_weights_.data(), weights_.data(), device_weights_.bytes(),
                                   cudaMemcpyHostToDevice, context_.main.stream.get()));
  }

  void forward(Mode) override {
    interpolate(shape_, device_weights_.data(), x_.data->data, y_.data->data,
                context_.main.stream.get());
  }

  void backward() override {
    if (x_.gradient == nullptr) return;
    interpolate_backward(shape_, device_weights_.data(), y_.gradient->data, x_.gradient->data,
                         context_.main.stream.get());
  }

 private:
  const Context& context_;
  const Value& x_;
  const Value& y_;
  const Interpolation shape_;
  const std::vector<float> weights_;  // which the copy is made of
  const DeviceArray<float> device_weights_;
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const RearrangeOp& op) {
  return std::make_unique<Rearrange>(build, op);
}
std::unique_ptr<Operation> make_operation(const Build& build, const ConcatenateOp& op) {
  return std::make_unique<Concatenate>(build, op);
}
std::unique_ptr<Operation> make_operation(const Build& build, const InterpolateOp& op) {
  return std::make_unique<Interpolate>(build, op);
}

}  // namespace sluice::backend::cuda
