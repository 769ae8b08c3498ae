// The buffers that a worker's updates travel in, used over and over.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "core/aligned_buffer.h"

namespace sluice::worker {

// Used by one thread; what it lends may be given back on any.
class UpdateBuffers {
 public:
  explicit UpdateBuffers(std::function<std::shared_ptr<core::AlignedBuffer>()> make)
      : make_(std::move(make)) {}

  // A buffer that nobody reads any more: the transport may still be sending one after its exchange
  // has been answered (see wire::Payload). It is given back when the last copy of the pointer goes.
  std::shared_ptr<core::AlignedBuffer> lend() {
    const std::shared_ptr<Slot> slot = free_slot();
    slot->lent.store(true, std::memory_order_relaxed);
    return {slot->buffer.get(),
            [slot](core::AlignedBuffer*) { slot->lent.store(false, std::memory_order_release); }};
  }
  size_t size() const { return slots_.size(); }

 private:
  struct Slot {
    std::shared_ptr<core::AlignedBuffer> buffer;
    std::atomic<bool> lent{false};
  };

  // Acquires what lend()'s deleter released: whoever read the buffer has done so before it is
  // written again.
  std::shared_ptr<Slot> free_slot() {
    for (const auto& slot : slots_) {
      if (!slot->lent.load(std::memory_order_acquire)) return slot;
    }
    slots_.push_back(std::make_shared<Slot>());
    slots_.back()->buffer = make_();
    return slots_.back();
  }

  const std::function<std::shared_ptr<core::AlignedBuffer>()> make_;
  std::vector<std::shared_ptr<Slot>> slots_;
};

}  // namespace sluice::worker
