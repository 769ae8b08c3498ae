// Float buffers in segments that are used again and again, as a server's are (server/buffer_pool.h,
// whose source a transport is).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "core/aligned_buffer.h"
#include "memory/segments.h"

namespace sluice::memory {

class SegmentPool {
 public:
  // At most `max_idle` are kept. `reclaim`, which may be empty, is called before another buffer is
  // made.
  SegmentPool(std::shared_ptr<Segments> segments, size_t size, size_t max_idle,
              std::function<void()> reclaim = nullptr)
      : segments_(std::move(segments)),
        size_(size),
        reclaim_(std::move(reclaim)),
        shelf_(std::make_shared<Shelf>()) {
    shelf_->max_idle = max_idle;
  }

  std::shared_ptr<core::AlignedBuffer> take() {
    auto buffer = shelf_->take();
    if (!buffer && reclaim_) {
      reclaim_();
      buffer = shelf_->take();
    }
    if (!buffer) buffer = make();
    return {buffer.release(), [shelf = shelf_](core::AlignedBuffer* returned) {
              shelf->put_back(std::unique_ptr<core::AlignedBuffer>(returned));
            }};
  }

  size_t idle() const {
    std::lock_guard lock(shelf_->mutex);
    return shelf_->idle.size();
  }

 private:
  struct Shelf {
    std::unique_ptr<core::AlignedBuffer> take() {
      std::lock_guard lock(mutex);
      if (idle.empty()) return nullptr;
      auto buffer = std::move(idle.back());
      idle.pop_back();
      return buffer;
    }
    void put_back(std::unique_ptr<core::AlignedBuffer> buffer) {
      std::lock_guard lock(mutex);
      if (idle.size() < max_idle) idle.push_back(std::move(buffer));
    }

    std::mutex mutex;
    std::vector<std::unique_ptr<core::AlignedBuffer>> idle;
    size_t max_idle = 0;
  };

  std::unique_ptr<core::AlignedBuffer> make() {
    const auto segment = segments_->make(size_ * sizeof(float));
    if (!segment.ok()) throw std::runtime_error(segment.status().to_string());
    auto* floats = reinterpret_cast<float*>((*segment)->bytes().data());
    return std::make_unique<core::AlignedBuffer>(
        core::AlignedBuffer::over({floats, size_}, *segment));
  }

  const std::shared_ptr<Segments> segments_;
  const size_t size_;
  const std::function<void()> reclaim_;
  const std::shared_ptr<Shelf> shelf_;  // outlives the pool as long as buffers are out
};

}  // namespace sluice::memory
