// Copies batches to the device: each is put together in pinned memory and copied on a stream of its
// own, while the step before is computed, into one of kInputSlots places that are used in turns.
#pragma once

#include <array>

#include "backend/cuda/pinned.h"
#include "backend/cuda/program.h"

namespace sluice::backend::cuda {

class InputRing {
 public:
  // `x_size`, `y_size`: floats of the largest batch.
  InputRing(const std::shared_ptr<Device>& device, size_t x_size, size_t y_size);

  InputSlots slots() const;

  // The host memory of the next place, for the batch that send() will copy. Waits until the batch
  // before it has been copied.
  BatchBuffers host();
  // Copies a batch, wherever it lies, and what the optimizer needs for its step to the next place;
  // `compute` waits for it. Returns the place.
  int send(const Batch& batch, const optim::StepFactors& factors, cudaStream_t compute);
  // The place that send() returned is free again when `compute` has done what it has been given
  // until now.
  void read(cudaStream_t compute);
  // Returns when all copies are done, before the memory that they use is given back.
  void wait() { (void)cudaStreamSynchronize(uploads_.get()); }

 private:
  // The optimizer's factors first, then targets, then inputs: what a batch fills is one piece, and
  // one copy.
  struct Place {
    std::shared_ptr<core::AlignedBuffer> host;
    DeviceArray<float> device;
    Event copied = make_event();
    Event read = make_event();
  };

  std::span<float> host_x(const Place& place) const;
  std::span<float> host_y(const Place& place) const;

  const size_t x_size_, y_size_;
  const size_t y_offset_, x_offset_;  // aligned
  const Stream uploads_;
  std::array<Place, kInputSlots> places_;
  int next_ = 0;
};

}  // namespace sluice::backend::cuda
