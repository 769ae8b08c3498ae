// Operations that the user's program computes: spans into our buffers, handed over as they are.
#include "backend/cpu/kernel.h"
#include "backend/cpu/parameter_gradient.h"

namespace sluice::backend::cpu {
namespace {

class Host final : public Kernel {
 public:
  Host(const Build& build, const HostOp& op)
      : op_(op),
        x_(build.x()),
        y_(build.y()),
        x_size_(static_cast<size_t>(build.batch * x_.shape.size())),
        y_size_(static_cast<size_t>(build.batch * y_.shape.size())) {
    std::vector<std::span<const float>> values;
    for (size_t i = 0; i < op.parameters.size(); ++i) {
      const ParameterSlice& slice = op.parameters[i];
      values.emplace_back(build.parameters.values_of(slice), slice.size);
      if (build.has_backward()) gradients_.emplace_back(build, i);
    }
    backward_.dparameters.resize(gradients_.size());
    forward_.batch = backward_.batch = build.batch;
    forward_.parameters = backward_.parameters = values;
  }

  void forward(Mode mode, uint64_t) override {
    forward_.x = {x_.data->data, x_size_};
    forward_.y = {y_.data->data, y_size_};
    forward_.training = mode == Mode::kTraining;
    op_.kernel->forward(forward_);
  }

  void backward(uint64_t) override {
    backward_.x = {x_.data->data, x_size_};
    backward_.y = {y_.data->data, y_size_};
    backward_.dy = {y_.gradient->data, y_size_};
    if (x_.gradient != nullptr) backward_.dx = {x_.gradient->data, x_size_};
    for (size_t i = 0; i < gradients_.size(); ++i) {
      backward_.dparameters[i] = {gradients_[i].data(), op_.parameters[i].size};
    }
    op_.kernel->backward(backward_);
    for (ParameterGradient& gradient : gradients_) gradient.done();
  }

 private:
  const HostOp& op_;
  const Value& x_;
  const Value& y_;
  const size_t x_size_, y_size_;
  std::vector<ParameterGradient> gradients_;
  HostKernel::Forward forward_{};
  HostKernel::Backward backward_{};
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const HostOp& op) {
  return std::make_unique<Host>(build, op);
}

}  // namespace sluice::backend::cpu
