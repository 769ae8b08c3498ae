// y = (x - center) scale + offset, with numbers that are copied to the device once, or computed
// there from means and variances.
#include "backend/cuda/device.h"
#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

class Affine : public Operation {
 public:
  Affine(const Build& build, size_t columns)
      : context_(build.context),
        x_(build.x()),
        y_(build.y()),
        size_(build.batch * y_.shape.size()),
        columns_(columns),
        numbers_(*build.context.device, 3 * columns) {}
  Affine(const Build& build, const AffineOp& op) : Affine(build, op.scale.size()) {
    copy(op.center, 0);
    copy(op.scale, 1);
    copy(op.offset, 2);
  }

  void forward(Mode) override {
    affine(factors(), size_, x_.data->data, y_.data->data, context_.main.stream.get());
  }

  void backward() override {
    if (x_.gradient == nullptr) return;
    affine_backward(factors(), size_, y_.gradient->data, x_.gradient->data,
                    context_.main.stream.get());
  }

 protected:
  const Context& context() const { return context_; }
  int64_t columns() const { return static_cast<int64_t>(columns_); }
  // Center, scale and offset.
  float* numbers() const { return numbers_.data(); }

 private:
  AffineFactors factors() const {
    return {numbers(), numbers() + columns_, numbers() + 2 * columns_, columns()};
  }
  void copy(const std::vector<float>& from, size_t row) const {
    SLUICE_CHECKED(cudaMemcpyAsync(numbers() + row * columns_, from.data(),
                                   from.size() * sizeof(float), cudaMemcpyHostToDevice,
                                   context_.main.stream.get()));
  }

  const Context& context_;
  const Value& x_;
  const Value& y_;
  const int64_t size_;
  const size_t columns_;
  const DeviceArray<float> numbers_;
};

class Standardize final : public Affine {
 public:
  Standardize(const Build& build, const StandardizeOp& op)
      : Affine(build, op.mean.size), parameters_(build.parameters), op_(op) {}

  void forward(Mode mode) override {
    const auto values_of = [this](const ParameterSlice& slice) {
      return static_cast<const float*>(parameters_.values_of(slice, Type::kFloat32));
    };
    standardizing_factors(op_.invert, columns(), values_of(op_.mean), values_of(op_.variance),
                          numbers(), context().main.stream.get());
    Affine::forward(mode);
  }

 private:
  const Parameters& parameters_;
  const StandardizeOp& op_;
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const AffineOp& op) {
  return std::make_unique<Affine>(build, op);
}

std::unique_ptr<Operation> make_operation(const Build& build, const StandardizeOp& op) {
  return std::make_unique<Standardize>(build, op);
}

}  // namespace sluice::backend::cuda
