// Device memory, pinned memory, and which of them a pointer means.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

namespace sluice::emulator {

struct Pool {
  int device = 0;
  size_t max_size = 0;  // 0: as much as the device has
  size_t used = 0;
};

struct Allocation {
  size_t size = 0;
  int device = 0;
  std::shared_ptr<Pool> pool;  // null: cudaMalloc
  bool freed = false;          // by an operation that is queued
};

struct PinnedRange {
  size_t size = 0;
  bool owned = false;  // by cudaHostAlloc; else registered
};

// Guarded by State::mutex.
class Memory {
 public:
  // Null when the device, or the pool, has not that much left.
  void* allocate(size_t size, int device, std::shared_ptr<Pool> pool);
  void release(void* base);

  // The allocation that starts at `base`; null if there is none, or its free is queued.
  Allocation* find_base(const void* base);

  // Whether [pointer, pointer + size) is live memory of one allocation.
  bool on_device(const void* pointer, size_t size) const;
  // Whether the pointer is into any device allocation.
  bool touches_device(const void* pointer) const;

  bool pin(void* base, size_t size, bool owned);
  bool unpin(void* base, bool owned);
  bool pinned(const void* pointer, size_t size) const;

  int64_t used(int device) const;
  int64_t used() const;

 private:
  const std::pair<const uintptr_t, Allocation>* containing(const void* pointer) const;

  std::map<uintptr_t, Allocation> device_;
  std::map<uintptr_t, PinnedRange> pinned_;
  std::map<int, int64_t> used_;
};

}  // namespace sluice::emulator
