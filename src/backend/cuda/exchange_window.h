// What Replica's window functions (backend/replica.h) do on a GPU. Updates and centres are copied
// on streams of their own, beside the steps.
#pragma once

#include "backend/cuda/kernels.h"
#include "backend/cuda/parameters.h"
#include "backend/cuda/pinned.h"

namespace sluice::backend::cuda {

class ExchangeWindow {
 public:
  // `metrics` has so many counters.
  ExchangeWindow(const Context& context, const Parameters& parameters, StepState* metrics,
                 size_t counters);

  // Where replicas without an optimizer sum up gradients, else nullptr.
  float* gradient_sum() const { return sums_gradients_ ? start_.data() : nullptr; }

  // Both begin a window; the first call allocates what windows need.
  void begin();
  void adopt(std::span<const float> centre, OwnUpdate own, float rate);
  // Also takes the metrics out of `metrics`.
  void start_update(const UpdateSpec& spec, std::span<float> update);
  bool update_ready() const;
  // Waits for the update. Returns the metrics as they were when it was started, valid until the
  // next one is.
  const StepState* finish_update();
  // Returns when all copies are done, before the memory that they use is given back.
  void wait();

 private:
  void need_memory();
  // Where `start_` ends to hold sums.
  size_t sums_end() const;

  const Context& context_;
  const Parameters& parameters_;
  StepState* const metrics_;
  const size_t counters_;
  const bool sums_gradients_;
  const Stream downloads_ = make_stream(), uploads_ = make_stream();
  // As on the device: the anchor; of replicas without an optimizer, where something is trained, the
  // sum of gradients.
  DeviceArray<float> start_;
  DeviceArray<float> update_, centre_;  // in Keras' layout
  DeviceArray<double> window_metrics_;  // a StepState with its counters
  std::shared_ptr<core::AlignedBuffer> host_metrics_;  // likewise
  Event made_ = make_event();                          // update_ holds the update
  Event delivered_ = make_event();                     // the host has the update
  Event arrived_ = make_event();                       // centre_ holds the centre
  Event adopted_ = make_event();                       // the parameters are the centre's
};

// Copies the metrics of `from` to `to` and sets those of `from` to zero. Both on the device, with
// so many counters.
void take_metrics(StepState* from, StepState* to, size_t counters, cudaStream_t stream);

}  // namespace sluice::backend::cuda
