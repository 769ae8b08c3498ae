// What a program is made of: kernels that compute one fused operation each, and the values between
// them.
#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <memory>

#include "backend/cpu/parameter_store.h"
#include "backend/cpu/type.h"
#include "backend/graph.h"
#include "backend/memory_plan.h"

namespace sluice::backend::cpu {

// How an image lies in memory: channels last, or in blocks of 16 channels, [N, C/16, H, W, 16],
// which oneDNN's AVX-512 convolutions prefer.
enum class Layout { kPlain, kBlocked16 };

inline constexpr int64_t kChannelBlock = 16;

// The output of one kernel and the input of the next.
struct Value {
  Buffer* data = nullptr;
  Buffer* gradient = nullptr;  // of the loss; nullptr when nobody needs it
  Layout layout = Layout::kPlain;
  Type type = Type::kFloat32;                   // of data and gradient
  Activation activation = Activation::kLinear;  // what its producer fused into it
  // Whether the gradient comes from a max pooling of 2 x 2 windows side by side, so that at most
  // one of the four pixels of each is not zero.
  bool gradient_is_routed = false;
  // Whether the consumer's backward already multiplies the gradient by the activation's derivative,
  // which saves a pass over memory where it writes the gradient anyway. Otherwise the producer does
  // so before it uses the gradient; exactly one of them must.
  bool consumer_differentiates = false;
};

// What one kernel computes: an operation, with the activation that is fused behind it, or a cast.
struct Stage {
  const Op* op = nullptr;
  const Shape* cast = nullptr;  // without op: converts values of this shape to output_type
  Activation activation = Activation::kLinear;  // fused behind the op
  Layout input_layout = Layout::kPlain;
  Layout output_layout = Layout::kPlain;
  Type output_type = Type::kFloat32;
  bool trains = false;  // it has parameters

  const Shape& output() const { return cast != nullptr ? *cast : op->output; }
};

enum class Mode { kTraining, kInference };

struct Device {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  int threads = 1;
};

// What a kernel is constructed from: the replica's device, parameters and memory plan, the batch
// size, and the times (backend/memory_plan.h) of its forward and backward pass.
struct Build {
  const Device& device;
  ParameterStore& parameters;
  MemoryPlan& plan;
  int64_t batch;
  int forward_time, backward_time;
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  // `step` is the number of the training step, which dropout's masks depend on.
  virtual void forward(Mode mode, uint64_t step) = 0;
  // From y's gradient: the parameters' gradients, handed to the ParameterStore, and x's gradient
  // when there is a buffer for it. Follows a forward in training mode.
  virtual void backward(uint64_t step) = 0;
};

// One per kind of operation; x and y outlive the kernel.
std::unique_ptr<Kernel> make_conv2d(const Build& build, const Stage& stage, Value& x, Value& y);
std::unique_ptr<Kernel> make_dense(const Build& build, const Stage& stage, Value& x, Value& y);
std::unique_ptr<Kernel> make_dense_bfloat16(const Build& build, const Stage& stage, Value& x,
                                            Value& y);
std::unique_ptr<Kernel> make_pool2d(const Build& build, const Stage& stage, Value& x, Value& y);
std::unique_ptr<Kernel> make_activation(const Build& build, const Stage& stage, Value& x, Value& y);
std::unique_ptr<Kernel> make_dropout(const Build& build, const Stage& stage, Value& x, Value& y);
std::unique_ptr<Kernel> make_cast(const Build& build, const Stage& stage, Value& x, Value& y);
std::unique_ptr<Kernel> make_host(const Build& build, const Stage& stage, Value& x, Value& y);

}  // namespace sluice::backend::cpu
