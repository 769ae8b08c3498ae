#include "core/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace sluice::core {
namespace {
constexpr size_t kHugePage = size_t{2} << 20;
}  // namespace

AlignedBuffer::AlignedBuffer(size_t size, size_t alignment) : size_(size) {
  if (size == 0) return;
  const size_t bytes = size * sizeof(float);
  if (bytes >= kHugePage) alignment = kHugePage;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  data_ = static_cast<float*>(std::aligned_alloc(alignment, rounded));
  if (data_ == nullptr) throw std::bad_alloc();
  if (bytes >= kHugePage) madvise(data_, rounded, MADV_HUGEPAGE);  // advice: may be refused
  std::memset(data_, 0, rounded);
}

AlignedBuffer AlignedBuffer::over(std::span<float> memory, std::shared_ptr<void> owner) {
  AlignedBuffer buffer;
  buffer.data_ = memory.data();
  buffer.size_ = memory.size();
  buffer.owner_ = std::move(owner);
  return buffer;
}

AlignedBuffer::~AlignedBuffer() {
  if (owner_ == nullptr) std::free(data_);
}

}  // namespace sluice::core
