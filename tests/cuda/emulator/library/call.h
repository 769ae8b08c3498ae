// The frame of a call into an emulated library, and what the libraries do alike.
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <utility>

#include "runtime/state.h"

namespace sluice::emulator {

// `body` runs under the lock.
template <typename Status, typename Body>
Status library_call(const char* function, const Body& body) {
  const Lock lock(state().mutex);
  if (const auto error = injected_failure(function)) return static_cast<Status>(*error);
  return body();
}

template <typename Handle, typename Thing>
bool create(HandleTable<Handle, Thing>& table, Handle* handle) {
  if (handle == nullptr) return false;
  *handle = table.add(std::make_shared<Thing>());
  ++state().library_handles;
  return true;
}

template <typename Handle, typename Thing>
bool destroy(HandleTable<Handle, Thing>& table, Handle handle) {
  if (!table.remove(handle)) return false;
  --state().library_handles;
  return true;
}

// Device memory that the library only scribbles on.
struct Workspace {
  void* data = nullptr;
  size_t size = 0;
  size_t needed = 0;

  bool suffices() const {
    return needed == 0 || (size >= needed && state().memory.on_device(data, needed));
  }
  void scribble() const {
    if (needed > 0) std::memset(data, 0xFF, needed);
  }
};

inline cudaError_t enqueue_library_call(cudaStream_t handle, std::function<void()> run) {
  const std::shared_ptr<Stream> stream = find_stream(handle);
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  return enqueue(stream, [run = std::move(run)] {
    run();
    const Lock lock(state().mutex);
    ++state().counters.library_calls_run;
  });
}

}  // namespace sluice::emulator
