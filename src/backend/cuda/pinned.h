// Page-locked host memory, which a GPU copies from and to without the processor.
#pragma once

#include <memory>

#include "backend/cuda/device.h"
#include "core/aligned_buffer.h"

namespace sluice::backend::cuda {

// `size` floats, page-locked for as long as somebody holds them. The device is kept as long.
std::shared_ptr<core::AlignedBuffer> make_pinned(const std::shared_ptr<Device>& device,
                                                 size_t size);
// The same of memory that shares no page with anything else.
std::shared_ptr<core::AlignedBuffer> make_pinned(const std::shared_ptr<Device>& device,
                                                 std::unique_ptr<core::AlignedBuffer> buffer);

}  // namespace sluice::backend::cuda
