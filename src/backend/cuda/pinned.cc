#include "backend/cuda/pinned.h"

namespace sluice::backend::cuda {

std::shared_ptr<core::AlignedBuffer> make_pinned(const std::shared_ptr<Device>& device,
                                                 size_t size) {
  return make_pinned(
      device, std::make_unique<core::AlignedBuffer>(core::AlignedBuffer::of_whole_pages(size)));
}

std::shared_ptr<core::AlignedBuffer> make_pinned(const std::shared_ptr<Device>& device,
                                                 std::unique_ptr<core::AlignedBuffer> buffer) {
  device->use();
  if (buffer->size() > 0) {
    SLUICE_CHECKED(
        cudaHostRegister(buffer->data(), buffer->size() * sizeof(float), cudaHostRegisterPortable));
  }
  const auto release = [device](core::AlignedBuffer* memory) {
    // Whoever held it last may be any thread; at the end of a process CUDA may be gone already.
    if (memory->size() > 0 && cudaSetDevice(device->index()) == cudaSuccess) {
      (void)cudaHostUnregister(memory->data());
    }
    delete memory;
  };
  return {buffer.release(), release};
}

}  // namespace sluice::backend::cuda
