// Noise in training: dropout and what is like it.
#include "backend/noise.h"

#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

class Perturb final : public Operation {
 public:
  Perturb(const Build& build, const NoiseOp& op)
      : context_(build.context),
        seed_(op.seed),
        state_(build.state),
        x_(build.x()),
        y_(build.y()),
        forward_(noise_of(op, build.batch, y_.shape)),
        backward_(forward_.without_addends()) {}

  void forward(Mode mode) override {
    cudaStream_t stream = context_.main.stream.get();
    if (mode == Mode::kTraining) {
      perturb(Pass::kForward, forward_, seed_, state_, x_.data->data, y_.data->data, stream);
    } else {
      SLUICE_CHECKED(cudaMemcpyAsync(y_.data->data, x_.data->data,
                                     static_cast<size_t>(forward_.size) * sizeof(float),
                                     cudaMemcpyDeviceToDevice, stream));
    }
  }

  void backward() override {
    if (x_.gradient == nullptr) return;
    perturb(Pass::kBackward, backward_, seed_, state_, y_.gradient->data, x_.gradient->data,
            context_.main.stream.get());
  }

 private:
  const Context& context_;
  const uint64_t seed_;
  const StepState* const state_;
  const Value& x_;
  const Value& y_;
  const Noise forward_, backward_;
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const NoiseOp& op) {
  return std::make_unique<Perturb>(build, op);
}

}  // namespace sluice::backend::cuda
