#include "backend/cuda/input_ring.h"

#include <algorithm>
#include <cstring>

namespace sluice::backend::cuda {
namespace {

constexpr size_t kAlignment = 64;  // floats

size_t aligned(size_t floats) { return (floats + kAlignment - 1) / kAlignment * kAlignment; }

void put(std::span<const float> from, std::span<float> to) {
  if (from.data() != to.data()) std::copy(from.begin(), from.end(), to.begin());
}

}  // namespace

InputRing::InputRing(const std::shared_ptr<Device>& device, size_t x_size, size_t y_size)
    : x_size_(x_size),
      y_size_(y_size),
      y_offset_(aligned(sizeof(optim::StepFactors) / sizeof(float))),
      x_offset_(y_offset_ + aligned(y_size)),
      uploads_(make_stream()) {
  for (Place& place : places_) {
    place.host = make_pinned(device, x_offset_ + x_size);
    place.device = DeviceArray<float>(*device, x_offset_ + x_size);
  }
}

InputSlots InputRing::slots() const {
  InputSlots slots;
  for (size_t i = 0; i < slots.size(); ++i) {
    float* const place = places_[i].device.data();
    slots[i] = {.x = place + x_offset_,
                .y = place + y_offset_,
                .factors = reinterpret_cast<const optim::StepFactors*>(place)};
  }
  return slots;
}

std::span<float> InputRing::host_x(const Place& place) const {
  return place.host->span().subspan(x_offset_, x_size_);
}
std::span<float> InputRing::host_y(const Place& place) const {
  return place.host->span().subspan(y_offset_, y_size_);
}

BatchBuffers InputRing::host() {
  const Place& place = places_[static_cast<size_t>(next_)];
  SLUICE_CHECKED(cudaEventSynchronize(place.copied.get()));
  return {host_x(place), host_y(place)};
}

int InputRing::send(const Batch& batch, const optim::StepFactors& factors, cudaStream_t compute) {
  const BatchBuffers buffers = host();
  const int at = next_;
  const Place& place = places_[static_cast<size_t>(at)];
  std::memcpy(place.host->data(), &factors, sizeof(factors));
  put(batch.x, buffers.x);
  put(batch.y, buffers.y);
  SLUICE_CHECKED(cudaStreamWaitEvent(uploads_.get(), place.read.get(), 0));
  SLUICE_CHECKED(cudaMemcpyAsync(place.device.data(), place.host->data(),
                                 (x_offset_ + batch.x.size()) * sizeof(float),
                                 cudaMemcpyHostToDevice, uploads_.get()));
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
