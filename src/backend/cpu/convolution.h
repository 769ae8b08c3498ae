// One convolution of oneDNN's in its three directions, between an image and what the windows that
// slide over it leave.
//
// The kernel stays in Keras' layout; oneDNN works on copies in the layouts and the type it prefers,
// which are made anew when the parameter has changed. Convolution kernels are small, so that costs
// little.
#pragma once

#include <optional>

#include "backend/cpu/folded_norm.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/primitive.h"
#include "backend/cpu/reordered_parameter.h"

namespace sluice::backend::cpu {

// An image as oneDNN sees it where it lies.
Desc image_desc(int64_t batch, const Value& value);

// Whether a convolution between images of this type and these shapes has an algorithm in blocks of
// channels that is faster by more than it takes to convert the images and their gradients: that is
// Winograd's, which saves a third to a half of the time, where conversions take a twentieth to a
// sixth. By the direct algorithm both layouts are equally fast.
bool gains_from_blocks(const Op& op, Type type, const Shape& x, const Shape& y);

class Convolution {
 public:
  // What the forward direction computes behind the convolution.
  struct Behind {
    std::optional<ParameterSlice> bias{};
    Activation activation = Activation::kLinear;
    const BatchNormOp* normalization = nullptr;  // in front of the activation; its bias is taken
    bool adds = false;                           // to what the windows hold, behind that
  };

  // Of the kernel op.kernel [kernel_h, kernel_w, image channels / groups, windows' channels]. `op`
  // outlives the convolution.
  Convolution(const Build& build, const Conv2DOp& op, const Value& image, const Value& windows,
              const Behind& behind);

  // As oneDNN takes the image. It is not as the image comes where that is plain and the windows
  // are in blocks: an image of few channels goes in with them outermost.
  const Desc& image() const { return descs_.x; }

  // Each plans one direction, which is computed at `time`: from the buffers in front to the last.
  void plan_forward(const Build& build, int time, Buffer* image, Buffer* windows);
  void plan_image_gradient(const Build& build, int time, Buffer* windows_gradient,
                           Buffer* image_gradient);
  // In Keras' layout. `bias_gradient` may be nullptr.
  void plan_kernel_gradient(const Build& build, int time, Buffer* image, Buffer* windows_gradient,
                            Buffer* kernel_gradient, Buffer* bias_gradient);

  bool has_image_gradient() const { return image_gradient_.has_value(); }

  void forward();
  void image_gradient();
  void kernel_gradient();

 private:
  const Device& device_;
  const Conv2DOp& op_;
  const Behind behind_;
  const bool is_inference_;  // and its forward direction is what is asked for
  const bool try_winograd_, try_winograd_for_kernel_;
  std::optional<FoldedNorm> folded_;
  Dims kernel_dims_;
  Desc keras_kernel_;
  ConvolutionDescs descs_;
  dnnl::convolution_forward::primitive_desc forward_desc_;
  std::optional<ReorderedParameter> forward_kernel_, image_gradient_kernel_;
  std::optional<Primitive> forward_, image_gradient_, kernel_gradient_, kernel_gradient_reorder_;
};

}  // namespace sluice::backend::cpu
