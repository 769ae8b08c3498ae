#include "backend/cuda/input_ring.h"

#include <algorithm>

namespace sluice::backend::cuda {
namespace {

void stage(std::span<const float> from, core::AlignedBuffer& host, const DeviceArray<float>& to,
           cudaStream_t stream) {
  if (from.data() != host.data()) std::copy(from.begin(), from.end(), host.data());
  if (from.empty()) return;
  SLUICE_CHECKED(
      cudaMemcpyAsync(to.data(), host.data(), from.size_bytes(), cudaMemcpyHostToDevice, stream));
}

}  // namespace

InputRing::InputRing(const std::shared_ptr<Device>& device, size_t x_size, size_t y_size)
    : uploads_(make_stream()) {
  for (Place& place : places_) {
    place.host_x = make_pinned(device, x_size);
    place.host_y = make_pinned(device, y_size);
    place.x = DeviceArray<float>(*device, x_size);
    place.y = DeviceArray<float>(*device, y_size);
  }
}

InputSlots InputRing::slots() const {
  InputSlots slots;
  for (size_t i = 0; i < slots.size(); ++i) slots[i] = {places_[i].x.data(), places_[i].y.data()};
  return slots;
}

BatchBuffers InputRing::host() {
  const Place& place = places_[static_cast<size_t>(next_)];
  SLUICE_CHECKED(cudaEventSynchronize(place.copied.get()));
  return {place.host_x->span(), place.host_y->span()};
}

int InputRing::send(const Batch& batch, cudaStream_t compute) {
  (void)host();
  const int at = next_;
  const Place& place = places_[static_cast<size_t>(at)];
  SLUICE_CHECKED(cudaStreamWaitEvent(uploads_.get(), place.read.get(), 0));
  stage(batch.x, *place.host_x, place.x, uploads_.get());
  stage(batch.y, *place.host_y, place.y, uploads_.get());
  SLUICE_CHECKED(cudaEventRecord(place.copied.get(), uploads_.get()));
  SLUICE_CHECKED(cudaStreamWaitEvent(compute, place.copied.get(), 0));
  next_ = (at + 1) % kInputSlots;
  return at;
}

void InputRing::read(cudaStream_t compute) {
  const int sent = (next_ + kInputSlots - 1) % kInputSlots;
  SLUICE_CHECKED(cudaEventRecord(places_[static_cast<size_t>(sent)].read.get(), compute));
}

}  // namespace sluice::backend::cuda
