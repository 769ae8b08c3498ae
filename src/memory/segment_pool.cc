#include "memory/segment_pool.h"

#include <mutex>
#include <utility>
#include <vector>

#include "core/log.h"

namespace sluice::memory {

struct SegmentPool::Shelf {
  explicit Shelf(size_t most) : max_idle(most) { idle.reserve(most); }

  // Never allocates: called by deleters.
  void put_back(std::unique_ptr<core::AlignedBuffer> buffer) noexcept {
    std::lock_guard lock(mutex);
    if (idle.size() < max_idle) idle.push_back(std::move(buffer));
  }

  // The one that came back last: the likeliest to be in the cache.
  std::unique_ptr<core::AlignedBuffer> take() {
    std::lock_guard lock(mutex);
    if (idle.empty()) return nullptr;
    auto buffer = std::move(idle.back());
    idle.pop_back();
    return buffer;
  }

  const size_t max_idle;
  std::mutex mutex;
  std::vector<std::unique_ptr<core::AlignedBuffer>> idle;
  bool told = false;  // that there are no segments
};

SegmentPool::SegmentPool(std::shared_ptr<Segments> segments, size_t size, size_t max_idle,
                         std::function<void()> reclaim)
    : segments_(std::move(segments)),
      size_(size),
      reclaim_(std::move(reclaim)),
      shelf_(std::make_shared<Shelf>(max_idle)) {}

std::shared_ptr<core::AlignedBuffer> SegmentPool::take() {
  auto buffer = shelf_->take();
  if (!buffer && reclaim_) {
    reclaim_();
    buffer = shelf_->take();
  }
  if (!buffer) buffer = make();
  auto put_back = [shelf = shelf_](core::AlignedBuffer* returned) {
    shelf->put_back(std::unique_ptr<core::AlignedBuffer>(returned));
  };
  return {buffer.release(), std::move(put_back)};
}

std::unique_ptr<core::AlignedBuffer> SegmentPool::make() {
  const auto segment = segments_->make(size_ * sizeof(float));
  if (segment.ok()) {
    auto* floats = reinterpret_cast<float*>((*segment)->bytes().data());
    return std::make_unique<core::AlignedBuffer>(
        core::AlignedBuffer::over({floats, size_}, *segment));
  }
  {
    std::lock_guard lock(shelf_->mutex);
    if (std::exchange(shelf_->told, true)) return std::make_unique<core::AlignedBuffer>(size_);
  }
  SLUICE_LOG(warn, "no memory is shared with other processes: {}", segment.status().message());
  return std::make_unique<core::AlignedBuffer>(size_);
}

size_t SegmentPool::idle() const {
  std::lock_guard lock(shelf_->mutex);
  return shelf_->idle.size();
}

}  // namespace sluice::memory
