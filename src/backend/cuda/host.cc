// Operations that the user's program computes: what they read is copied to the host, they run in
// the stream's order on a thread of CUDA's, and what they wrote is copied back. All of it can be
// captured, so a step stays one graph.
#include "backend/cuda/operation.h"
#include "backend/cuda/parameter_gradient.h"
#include "backend/cuda/pinned.h"

namespace sluice::backend::cuda {
namespace {

class Host final : public Operation {
 public:
  Host(const Build& build, const HostOp& op)
      : context_(build.context),
        parameters_(build.parameters),
        op_(op),
        x_(build.x()),
        y_(build.y()),
        calls_(build.host_calls),
        host_x_(pinned(build.batch * x_.shape.size())),
        host_y_(pinned(build.batch * y_.shape.size())) {
    for (const ParameterSlice& slice : op_.parameters) {
      host_parameters_.push_back(pinned(static_cast<int64_t>(slice.size)));
      forward_.parameters.push_back(host_parameters_.back()->span());
    }
    forward_.batch = build.batch;
    forward_.x = host_x_->span();
    forward_.y = host_y_->span();
    if (!build.has_backward()) return;
    host_dy_ = pinned(build.batch * y_.shape.size());
    if (x_.gradient != nullptr) host_dx_ = pinned(build.batch * x_.shape.size());
    for (size_t i = 0; i < op_.parameters.size(); ++i) {
      gradients_.emplace_back(build, i);
      host_dparameters_.push_back(pinned(static_cast<int64_t>(op_.parameters[i].size)));
      backward_.dparameters.push_back(host_dparameters_.back()->span());
    }
    backward_.batch = build.batch;
    backward_.x = host_x_->span();
    backward_.y = host_y_->span();
    backward_.dy = host_dy_->span();
    backward_.parameters = forward_.parameters;
    if (host_dx_) backward_.dx = host_dx_->span();
  }

  void forward(Mode mode) override {
    to_host(x_.data->data, *host_x_);
    for (size_t i = 0; i < host_parameters_.size(); ++i) {
      const void* values = parameters_.values_of(op_.parameters[i], Type::kFloat32);
      to_host(static_cast<const float*>(values), *host_parameters_[i]);
    }
    run(mode == Mode::kTraining ? &Host::forward_in_training : &Host::forward_in_inference);
    to_device(*host_y_, y_.data->data);
  }

  void backward() override {
    to_host(y_.gradient->data, *host_dy_);
    run(&Host::backward_on_host);
    if (host_dx_) to_device(*host_dx_, x_.gradient->data);
    for (size_t i = 0; i < gradients_.size(); ++i) {
      if (!gradients_[i].is_wanted()) continue;
      to_device(*host_dparameters_[i], gradients_[i].data());
      gradients_[i].done(context_.main.stream.get());
    }
  }

 private:
  using Pinned = std::shared_ptr<core::AlignedBuffer>;

  Pinned pinned(int64_t size) const {
    return make_pinned(context_.device, static_cast<size_t>(size));
  }

  void to_host(const float* from, core::AlignedBuffer& to) const {
    SLUICE_CHECKED(cudaMemcpyAsync(to.data(), from, to.size() * sizeof(float),
                                   cudaMemcpyDeviceToHost, context_.main.stream.get()));
  }
  void to_device(const core::AlignedBuffer& from, float* to) const {
    SLUICE_CHECKED(cudaMemcpyAsync(to, from.data(), from.size() * sizeof(float),
                                   cudaMemcpyHostToDevice, context_.main.stream.get()));
  }

  void run(cudaHostFn_t function) {
    SLUICE_CHECKED(cudaLaunchHostFunc(context_.main.stream.get(), function, this));
  }

  static void forward_in_training(void* self) { static_cast<Host*>(self)->forward_on_host(true); }
  static void forward_in_inference(void* self) { static_cast<Host*>(self)->forward_on_host(false); }
  void forward_on_host(bool training) {
    forward_.training = training;
    calls_->run([this] { op_.kernel->forward(forward_); });
  }
  static void backward_on_host(void* self) {
    const auto& host = *static_cast<const Host*>(self);
    host.calls_->run([&host] { host.op_.kernel->backward(host.backward_); });
  }

  const Context& context_;
  const Parameters& parameters_;
  const HostOp& op_;
  const Value& x_;
  const Value& y_;
  HostCalls* const calls_;
  Pinned host_x_, host_y_, host_dx_, host_dy_;
  std::vector<Pinned> host_parameters_, host_dparameters_;
  std::vector<ParameterGradient> gradients_;
  HostKernel::Forward forward_{};
  HostKernel::Backward backward_{};
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const HostOp& op) {
  return std::make_unique<Host>(build, op);
}

}  // namespace sluice::backend::cuda
