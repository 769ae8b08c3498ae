// What a program is made of: kernels that compute one step of the plan each.
#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <memory>

#include "backend/cpu/parameter_store.h"
#include "backend/graph.h"
#include "backend/memory_plan.h"
#include "backend/plan.h"
#include "backend/values.h"

namespace sluice::backend::cpu {

enum class Mode { kTraining, kInference };

struct Device {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  int threads = 1;
};

// What a kernel is constructed from, and for whose sake: a step of the plan. All but the Build
// itself outlives the kernel.
struct Build {
  const Device& device;
  ParameterStore& parameters;
  MemoryPlan& memory;
  int64_t batch;
  const Step& step;
  const StepValues& values;
  // See backend/memory_plan.h; without a backward pass both are that of the forward pass.
  int forward_time, backward_time;
  Purpose purpose = Purpose::kTraining;
  // Whether the output's gradient comes from a max pooling of 2 x 2 windows side by side, so that
  // at most one of the four pixels of each is not zero.
  bool gradient_is_routed = false;

  const Value& x(size_t input = 0) const { return values.x[input]; }
  const Value& y() const { return values.y; }
  // Whether the backward pass comes here at all.
  bool has_backward() const { return step.has_backward; }
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  // `step` is the number of the training step, which dropout's masks depend on.
  virtual void forward(Mode mode, uint64_t step) = 0;
  // From y's gradient, which it may overwrite unless the step keeps_gradient: the parameters'
  // gradients (ParameterGradient), and those of the inputs that have a buffer for it. Follows a
  // forward in training mode.
  virtual void backward(uint64_t step) = 0;
};

// One for each kind of operation. `op` outlives the kernel.
#define SLUICE_DECLARE(Op) std::unique_ptr<Kernel> make_kernel(const Build& build, const Op& op);
SLUICE_FOR_EACH_OP(SLUICE_DECLARE)
#undef SLUICE_DECLARE
std::unique_ptr<Kernel> make_conv2d_transpose(const Build& build, const Conv2DOp& op);
std::unique_ptr<Kernel> make_dense_bfloat16(const Build& build, const DenseOp& op);
std::unique_ptr<Kernel> make_cast(const Build& build);

}  // namespace sluice::backend::cpu
