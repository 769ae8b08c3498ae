// A fixed-size array of floats, 64-byte aligned, zeroed, its pages touched when it is made.
//
// Large buffers ask the kernel for huge pages: first-touch page faults, not copies, dominate the
// cost of big messages on virtual machines (0.37 GB/s against 20). Make buffers once and keep them.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace sluice::core {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size) : AlignedBuffer(size, kCacheLine) {}
  // Shares no page with anything else, as memory that is locked for a device must not.
  static AlignedBuffer of_whole_pages(size_t size) { return {size, kPage}; }
  // Memory of somebody else's, as it is, which `owner`, not null, keeps.
  static AlignedBuffer over(std::span<float> memory, std::shared_ptr<void> owner);
  AlignedBuffer(AlignedBuffer&& other) noexcept { swap(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~AlignedBuffer();

  float* data() { return data_; }
  const float* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<float> span() { return {data_, size_}; }
  std::span<const float> span() const { return {data_, size_}; }
  float& operator[](size_t i) { return data_[i]; }
  float operator[](size_t i) const { return data_[i]; }

 private:
  static constexpr size_t kCacheLine = 64, kPage = 4096;

  AlignedBuffer(size_t size, size_t alignment);
  void swap(AlignedBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(owner_, other.owner_);
  }

  float* data_ = nullptr;
  size_t size_ = 0;
  std::shared_ptr<void> owner_;  // of memory that is not ours
};

}  // namespace sluice::core
