// Batch normalization on oneDNN, with a ReLU behind it fused.
#include <cmath>
#include <optional>
#include <vector>

#include "backend/cpu/kernel.h"
#include "backend/cpu/parameter_gradient.h"
#include "backend/cpu/primitive.h"

namespace sluice::backend::cpu {
namespace {

using Flags = dnnl::normalization_flags;

// As an image; without axes for one, each row is an image of one pixel.
Desc desc_of(int64_t batch, const Value& value) {
  const int64_t channels = value.shape.dims().back();
  if (value.layout == Layout::kBlocked16) {
    return tensor_desc(value.type, Dims{batch, channels, value.shape[0], value.shape[1]},
                       Tag::nChw16c);
  }
  return tensor_desc(value.type, Dims{batch * value.shape.size() / channels, channels, 1, 1},
                     Tag::nhwc);
}

class BatchNorm final : public Kernel {
 public:
  BatchNorm(const Build& build, const BatchNormOp& op)
      : device_(build.device),
        op_(op),
        epsilon_(static_cast<float>(op.epsilon)),
        x_(build.x()),
        y_(build.y()),
        desc_(desc_of(build.batch, x_)),
        channels_(x_.shape.dims().back()),
        moving_mean_(build.parameters.values_of(op.mean)),
        moving_variance_(build.parameters.values_of(op.variance)),
        relu_(build.step.activation == Activation::kRelu ? Flags::fuse_norm_relu : Flags::none) {
    make_forward(build);
    if (build.has_backward()) make_backward(build);
  }

  void forward(Mode mode, uint64_t) override {
    if (mode == Mode::kInference) return inference_->execute(device_.stream);
    training_->execute(device_.stream);
    if (op_.frozen) return;
    move(moving_mean_, mean_->data);
    move(moving_variance_, variance_->data);
  }

  void backward(uint64_t) override {
    backward_->execute(device_.stream);
    for (const auto& gradient : {gamma_gradient_, beta_gradient_}) {
      if (gradient) gradient->done();
    }
  }

 private:
  Flags flags() const {
    Flags flags = relu_;
    if (op_.gamma) flags |= Flags::use_scale;
    if (op_.beta) flags |= Flags::use_shift;
    return flags;
  }

  void make_forward(const Build& build) {
    const Flags moving = flags() | Flags::use_global_stats;
    Buffer* moving_mean = build.memory.elsewhere(moving_mean_);
    Buffer* moving_variance = build.memory.elsewhere(moving_variance_);
    const auto inference = batch_normalization_forward(
        device_.engine, dnnl::prop_kind::forward_inference, desc_, epsilon_, moving);
    inference_.emplace(make(build, inference, moving_mean, moving_variance));

    const Flags training_flags = op_.frozen ? moving : flags();
    training_desc_ = batch_normalization_forward(device_.engine, dnnl::prop_kind::forward_training,
                                                 desc_, epsilon_, training_flags);
    const auto kept = [&](size_t floats) {
      return build.memory.add(floats, build.forward_time, build.backward_time);
    };
    mean_ = op_.frozen ? moving_mean : kept(static_cast<size_t>(channels_));
    variance_ = op_.frozen ? moving_variance : kept(static_cast<size_t>(channels_));
    workspace_ = kept(floats_of(training_desc_.workspace_desc()));
    training_.emplace(make(build, training_desc_, mean_, variance_));
  }

  Primitive make(const Build& build, const dnnl::batch_normalization_forward::primitive_desc& desc,
                 Buffer* mean, Buffer* variance) const {
    return Primitive(
        dnnl::batch_normalization_forward(desc), device_.engine,
        with_parameters(build,
                        {{DNNL_ARG_SRC, desc_, x_.data},
                         {DNNL_ARG_DST, desc_, y_.data},
                         {DNNL_ARG_MEAN, statistics(), mean},
                         {DNNL_ARG_VARIANCE, statistics(), variance},
                         {DNNL_ARG_WORKSPACE, desc.workspace_desc(), workspace_},
                         scratchpad(build.memory, desc.scratchpad_desc(), build.forward_time)}));
  }

  void make_backward(const Build& build) {
    gamma_gradient_ = ParameterGradient::if_wanted(build, 0);
    beta_gradient_ = ParameterGradient::if_wanted(build, 1);
    const Desc& workspace = training_desc_.workspace_desc();
    const Flags used = op_.frozen ? flags() | Flags::use_global_stats : flags();
    const bool has_parameters = op_.gamma || op_.beta;
    const auto desc = batch_normalization_backward(
        device_.engine, has_parameters ? dnnl::prop_kind::backward : dnnl::prop_kind::backward_data,
        desc_, epsilon_, used, training_desc_);
    // oneDNN gives the gradients of all that it takes, asked for or not.
    const auto unasked = [&](size_t floats) {
      return build.memory.add(floats, build.backward_time, build.backward_time);
    };
    const auto buffer_of = [&](const std::optional<ParameterGradient>& gradient, bool there) {
      if (gradient) return gradient->buffer();
      return there ? unasked(static_cast<size_t>(channels_)) : nullptr;
    };
    Buffer* const gamma = buffer_of(gamma_gradient_, op_.gamma.has_value());
    Buffer* const beta = buffer_of(beta_gradient_, op_.beta.has_value());
    Buffer* const dx = x_.gradient != nullptr ? x_.gradient : unasked(floats_of(desc_));
    std::vector<Primitive::Argument> arguments = with_parameters(
        build, {{DNNL_ARG_SRC, desc_, x_.data},
                {DNNL_ARG_DIFF_DST, desc_, y_.gradient},
                {DNNL_ARG_DIFF_SRC, desc_, dx},
                {DNNL_ARG_MEAN, statistics(), mean_},
                {DNNL_ARG_VARIANCE, statistics(), variance_},
                {DNNL_ARG_WORKSPACE, workspace, workspace_},
                scratchpad(build.memory, desc.scratchpad_desc(), build.backward_time)});
    if (gamma != nullptr) arguments.push_back({DNNL_ARG_DIFF_SCALE, statistics(), gamma});
    if (beta != nullptr) arguments.push_back({DNNL_ARG_DIFF_SHIFT, statistics(), beta});
    backward_.emplace(dnnl::batch_normalization_backward(desc), device_.engine, arguments);
  }

  std::vector<Primitive::Argument> with_parameters(
      const Build& build, std::vector<Primitive::Argument> arguments) const {
    const auto add = [&](int role, const std::optional<ParameterSlice>& slice) {
      if (!slice) return;
      Buffer* buffer = build.memory.elsewhere(build.parameters.values_of(*slice));
      arguments.push_back({role, statistics(), buffer});
    };
    add(DNNL_ARG_SCALE, op_.gamma);
    add(DNNL_ARG_SHIFT, op_.beta);
    return arguments;
  }

  Desc statistics() const { return float_desc(Dims{channels_}, Tag::a); }

  void move(float* moving, const float* batch) const {
    const auto old_share = static_cast<float>(op_.momentum);
    const auto new_share = static_cast<float>(1 - op_.momentum);
    for (int64_t c = 0; c < channels_; ++c) {
      moving[c] = moving[c] * old_share + batch[c] * new_share;
    }
  }

  const Device& device_;
  const BatchNormOp& op_;
  const float epsilon_;
  const Value& x_;
  const Value& y_;
  const Desc desc_;
  const int64_t channels_;
  float* const moving_mean_;
  float* const moving_variance_;
  const Flags relu_;
  dnnl::batch_normalization_forward::primitive_desc training_desc_;
  Buffer* mean_ = nullptr;  // of the batch, or the moving one
  Buffer* variance_ = nullptr;
  Buffer* workspace_ = nullptr;  // the ReLU's mask
  std::optional<Primitive> training_, inference_, backward_;
  std::optional<ParameterGradient> gamma_gradient_, beta_gradient_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const BatchNormOp& op) {
  return std::make_unique<BatchNorm>(build, op);
}

}  // namespace sluice::backend::cpu
