// y = (x - center) scale + offset, with numbers that are copied to the device once.
#include "backend/cuda/device.h"
#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

class Affine final : public Operation {
 public:
  Affine(const Build& build, const AffineOp& op)
      : context_(build.context),
        x_(build.x()),
        y_(build.y()),
        size_(build.batch * y_.shape.size()),
        numbers_(*build.context.device, 3 * op.scale.size()) {
    const size_t columns = op.scale.size();
    float* const data = numbers_.data();
    copy(op.center, data);
    copy(op.scale, data + columns);
    copy(op.offset, data + 2 * columns);
    factors_ = {data, data + columns, data + 2 * columns, static_cast<int64_t>(columns)};
  }

  void forward(Mode) override {
    affine(factors_, size_, x_.data->data, y_.data->data, context_.main.stream.get());
  }

  void backward() override {
    if (x_.gradient == nullptr) return;
    affine_backward(factors_, size_, y_.gradient->data, x_.gradient->data,
                    context_.main.stream.get());
  }

 private:
  void copy(const std::vector<float>& from, float* to) const {
    SLUICE_CHECKED(cudaMemcpyAsync(to, from.data(), from.size() * sizeof(float),
                                   cudaMemcpyHostToDevice, context_.main.stream.get()));
  }

  const Context& context_;
  const Value& x_;
  const Value& y_;
  const int64_t size_;
  const DeviceArray<float> numbers_;
  AffineFactors factors_;
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const AffineOp& op) {
  return std::make_unique<Affine>(build, op);
}

}  // namespace sluice::backend::cuda
