#include "runtime/memory.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "runtime/settings.h"

namespace sluice::emulator {
namespace {

constexpr size_t kAlignment = 256;
constexpr int kPoison = 0xFF;  // NaN as float and as bfloat16

uintptr_t address(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

}  // namespace

void* Memory::allocate(size_t size, int device, std::shared_ptr<Pool> pool) {
  int64_t& used = used_[device];
  if (static_cast<size_t>(used) + size > device_memory()) return nullptr;
  if (pool != nullptr && pool->max_size > 0 && pool->used + size > pool->max_size) {
    return nullptr;
  }
  void* base = nullptr;
  if (posix_memalign(&base, kAlignment, size) != 0) return nullptr;
  std::memset(base, kPoison, size);
  used += static_cast<int64_t>(size);
  if (pool != nullptr) pool->used += size;
  device_[address(base)] = {size, device, std::move(pool), false};
  return base;
}

void Memory::release(void* base) {
  const auto it = device_.find(address(base));
  if (it == device_.end()) return;
  const Allocation& allocation = it->second;
  used_[allocation.device] -= static_cast<int64_t>(allocation.size);
  if (allocation.pool != nullptr) allocation.pool->used -= allocation.size;
  device_.erase(it);
  std::free(base);
}

Allocation* Memory::find_base(const void* base) {
  const auto it = device_.find(address(base));
  return it == device_.end() || it->second.freed ? nullptr : &it->second;
}

const std::pair<const uintptr_t, Allocation>* Memory::containing(const void* pointer) const {
  auto it = device_.upper_bound(address(pointer));
  if (it == device_.begin()) return nullptr;
  --it;
  return address(pointer) < it->first + it->second.size ? &*it : nullptr;
}

bool Memory::on_device(const void* pointer, size_t size) const {
  const auto* const found = containing(pointer);
  return found != nullptr && !found->second.freed &&
         size <= found->second.size - (address(pointer) - found->first);
}

bool Memory::touches_device(const void* pointer) const { return containing(pointer) != nullptr; }

bool Memory::pin(void* base, size_t size, bool owned) {
  return pinned_.emplace(address(base), PinnedRange{size, owned}).second;
}

bool Memory::unpin(void* base, bool owned) {
  const auto it = pinned_.find(address(base));
  if (it == pinned_.end() || it->second.owned != owned) return false;
  pinned_.erase(it);
  return true;
}

bool Memory::pinned(const void* pointer, size_t size) const {
  auto it = pinned_.upper_bound(address(pointer));
  if (it == pinned_.begin()) return false;
  --it;
  return address(pointer) + size <= it->first + it->second.size;
}

int64_t Memory::used(int device) const {
  const auto it = used_.find(device);
  return it == used_.end() ? 0 : it->second;
}

int64_t Memory::used() const {
  int64_t bytes = 0;
  for (const auto& [device, used] : used_) bytes += used;
  return bytes;
}

}  // namespace sluice::emulator
