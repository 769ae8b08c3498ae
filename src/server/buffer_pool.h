// Float buffers that are used again and again, so that their pages are touched once.
//
// take() hands out a buffer through a shared_ptr whose deleter brings it back to the pool; the last
// reference may go at any time, on any thread, also after the pool itself. At most `max_idle`
// buffers are kept, the others are freed. Thread-safe.
#pragma once

#include <cstddef>
#include <memory>

#include "core/aligned_buffer.h"
#include "wire/transport.h"

namespace sluice::server {

class BufferPool {
 public:
  // Buffers of `size` floats each.
  BufferPool(size_t size, size_t max_idle, wire::BufferSource source = {});

  size_t size() const { return size_; }

  // A buffer with values left over from its last use, or zeros. Throws std::bad_alloc.
  std::shared_ptr<core::AlignedBuffer> take();

  // Buffers that wait for their next use.
  size_t idle() const;

 private:
  struct Shelf;

  std::unique_ptr<core::AlignedBuffer> from_shelf();

  const size_t size_;
  const wire::BufferSource source_;
  const std::shared_ptr<Shelf> shelf_;  // outlives the pool as long as buffers are out
};

}  // namespace sluice::server
