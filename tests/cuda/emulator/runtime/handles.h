// Handles that the program holds, and what they stand for.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

namespace sluice::emulator {

// A handle is a number that no other handle has or will have, so that a stale one is known as such.
// A thing lives on after remove() for as long as queued operations share it.
template <typename Handle, typename Thing>
class HandleTable {
 public:
  Handle add(std::shared_ptr<Thing> thing) {
    static uintptr_t next = kFirst;
    const Handle handle = reinterpret_cast<Handle>(next);
    next += kStep;
    things_.emplace(handle, std::move(thing));
    return handle;
  }

  // Null for what is not a handle of this table.
  std::shared_ptr<Thing> find(Handle handle) const {
    const auto it = things_.find(handle);
    return it == things_.end() ? nullptr : it->second;
  }

  bool remove(Handle handle) { return things_.erase(handle) > 0; }
  int64_t size() const { return static_cast<int64_t>(things_.size()); }

 private:
  // Nothing is ever mapped there: a program that looks behind a handle crashes.
  static constexpr uintptr_t kFirst = 0x00e0'0000'0000'0000;
  static constexpr uintptr_t kStep = 16;
  std::unordered_map<Handle, std::shared_ptr<Thing>> things_;
};

}  // namespace sluice::emulator
