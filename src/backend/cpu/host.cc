// Operations that the user's program computes: spans into our buffers, handed over as they are.
#include "backend/cpu/kernel.h"

namespace sluice::backend::cpu {
namespace {

class Host final : public Kernel {
 public:
  Host(const Build& build, const Stage& stage, Value& x, Value& y)
      : parameters_(build.parameters),
        op_(std::get<HostOp>(stage.op->kind)),
        x_(x),
        y_(y),
        batch_(build.batch),
        x_size_(static_cast<size_t>(build.batch * stage.op->input.size())),
        y_size_(static_cast<size_t>(build.batch * stage.op->output.size())) {
    std::vector<std::span<const float>> values;
    for (const ParameterSlice& slice : op_.parameters) {
      values.emplace_back(parameters_.values_of(slice), slice.size);
      backward_.dparameters.emplace_back(parameters_.gradients_of(slice), slice.size);
    }
    forward_.batch = backward_.batch = batch_;
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
    op_.kernel->backward(backward_);
    for (const ParameterSlice& slice : op_.parameters) parameters_.gradient_complete(slice);
  }

 private:
  ParameterStore& parameters_;
  const HostOp& op_;
  Value& x_;
  Value& y_;
  const int64_t batch_;
  const size_t x_size_, y_size_;
  HostKernel::Forward forward_{};
  HostKernel::Backward backward_{};
};

}  // namespace

std::unique_ptr<Kernel> make_host(const Build& build, const Stage& stage, Value& x, Value& y) {
  return std::make_unique<Host>(build, stage, x, y);
}

}  // namespace sluice::backend::cpu
