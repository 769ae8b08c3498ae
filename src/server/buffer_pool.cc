#include "server/buffer_pool.h"

#include <mutex>
#include <vector>

namespace sluice::server {

struct BufferPool::Shelf {
  explicit Shelf(size_t most) : max_idle(most) { idle.reserve(most); }

  // Never allocates: called by deleters.
  void put_back(std::unique_ptr<core::AlignedBuffer> buffer) noexcept {
    std::lock_guard lock(mutex);
    if (idle.size() < max_idle) idle.push_back(std::move(buffer));
  }

  const size_t max_idle;
  std::mutex mutex;
  std::vector<std::unique_ptr<core::AlignedBuffer>> idle;
};

BufferPool::BufferPool(size_t size, size_t max_idle, wire::BufferSource source)
    : size_(size), source_(std::move(source)), shelf_(std::make_shared<Shelf>(max_idle)) {}

std::shared_ptr<core::AlignedBuffer> BufferPool::take() {
  std::unique_ptr<core::AlignedBuffer> buffer = from_shelf();
  if (!buffer && source_.reclaim) {
    source_.reclaim();
    buffer = from_shelf();
  }
  if (!buffer) buffer = source_.make(size_);
  auto put_back = [shelf = shelf_](core::AlignedBuffer* returned) {
    shelf->put_back(std::unique_ptr<core::AlignedBuffer>(returned));
  };
  return {buffer.release(), std::move(put_back)};
}

// The one that came back last: the likeliest to be in the cache.
std::unique_ptr<core::AlignedBuffer> BufferPool::from_shelf() {
  std::lock_guard lock(shelf_->mutex);
  if (shelf_->idle.empty()) return nullptr;
  std::unique_ptr<core::AlignedBuffer> buffer = std::move(shelf_->idle.back());
  shelf_->idle.pop_back();
  return buffer;
}

size_t BufferPool::idle() const {
  std::lock_guard lock(shelf_->mutex);
  return shelf_->idle.size();
}

}  // namespace sluice::server
