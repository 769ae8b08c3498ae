// A GPU's half of what a worker exchanges, on streams of its own: an update leaves, and a centre
// comes, while the device computes other things. See Replica.
#pragma once

#include "backend/cuda/kernels.h"
#include "backend/cuda/parameters.h"
#include "backend/cuda/pinned.h"

namespace sluice::backend::cuda {

class ExchangeWindow {
 public:
  ExchangeWindow(const Context& context, const Parameters& parameters, StepState* metrics);

  // Where replicas without an optimizer sum up gradients, else nullptr.
  float* gradient_sum() const { return sums_gradients_ ? start_.data() : nullptr; }

  // Both begin a window; the first one makes the memory that it takes.
  void begin();
  void adopt(std::span<const float> centre, OwnUpdate own);
  // Also takes the metrics out of `metrics`.
  void start_update(float scale, std::span<float> update);
  bool update_ready() const;
  // Waits; the metrics as they were when the update was started.
  StepState finish_update();
  // Returns when all copies are done, before the memory that they use is given back.
  void wait();

 private:
  void need_memory();

  const Context& context_;
  const Parameters& parameters_;
  StepState* const metrics_;
  const bool sums_gradients_;
  const Stream downloads_ = make_stream(), uploads_ = make_stream();
  DeviceArray<float> start_;            // the anchor or the sum of gradients, as on the device
  DeviceArray<float> update_, centre_;  // in Keras' layout
  DeviceArray<StepState> window_metrics_;
  std::shared_ptr<core::AlignedBuffer> host_metrics_;  // holds a StepState
  Event made_ = make_event();                          // the update, in update_
  Event delivered_ = make_event();                     // the update, to the host
  Event arrived_ = make_event();                       // the centre, in centre_
  Event adopted_ = make_event();                       // the centre, by the parameters
};

// Moves the metrics of `from` to `to`: those of `from` start again at zero.
void take_metrics(StepState* from, StepState* to, cudaStream_t stream);

}  // namespace sluice::backend::cuda
