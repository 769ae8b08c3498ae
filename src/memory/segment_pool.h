// Float buffers in segments, used again and again: server/buffer_pool.h's, for other processes to
// read.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "core/aligned_buffer.h"
#include "memory/segments.h"

namespace sluice::memory {

// take() hands out a buffer through a shared_ptr whose deleter brings it back; the last reference
// may go at any time, on any thread, also after the pool itself. At most `max_idle` are kept.
// Thread-safe.
class SegmentPool {
 public:
  // Buffers of `size` floats each. `reclaim`, which may be empty, is called before another one is
  // made: it may bring some back (Door::release()).
  SegmentPool(std::shared_ptr<Segments> segments, size_t size, size_t max_idle,
              std::function<void()> reclaim = nullptr);

  size_t size() const { return size_; }

  // A buffer with values left over from its last use, or zeros. Where no segment can be had, an
  // ordinary one, which Segments::find() does not know; that is logged, once. Throws
  // std::bad_alloc.
  std::shared_ptr<core::AlignedBuffer> take();

  // Buffers that wait for their next use.
  size_t idle() const;

 private:
  struct Shelf;

  std::unique_ptr<core::AlignedBuffer> make();

  const std::shared_ptr<Segments> segments_;
  const size_t size_;
  const std::function<void()> reclaim_;
  const std::shared_ptr<Shelf> shelf_;  // outlives the pool as long as buffers are out
};

}  // namespace sluice::memory
