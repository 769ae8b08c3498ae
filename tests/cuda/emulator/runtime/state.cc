#include "runtime/state.h"

#include <utility>

#include "runtime/settings.h"

namespace sluice::emulator {
namespace {

thread_local int device_of_thread = 0;
thread_local cudaError_t last_error = cudaSuccess;
thread_local bool host_function = false;

struct Failure {
  int error;
  int calls_before;
};

std::multimap<std::string, Failure>& failures() {
  static auto* const all = new std::multimap<std::string, Failure>;
  return *all;
}

}  // namespace

// Never destroyed: threads may still use it while the process ends.
State& state() {
  static State* const instance = new State;
  return *instance;
}

int current_device() { return device_of_thread; }
void set_current_device(int device) { device_of_thread = device; }

Device& device_state(int device) {
  const auto [it, is_new] = state().devices.try_emplace(device);
  Device& found = it->second;
  if (is_new) {
    found.default_stream = std::make_shared<Stream>(device, false);
    found.pool = std::make_shared<Pool>(Pool{.device = device});
    found.pool_handle = state().pools.add(found.pool);
  }
  return found;
}

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

HostFunctionScope::HostFunctionScope() { host_function = true; }
HostFunctionScope::~HostFunctionScope() { host_function = false; }
bool in_host_function() { return host_function; }

cudaError_t check_device() {
  switch (gpus()) {
    case Gpus::kPresent:
      return cudaSuccess;
    case Gpus::kNone:
      return cudaErrorNoDevice;
    case Gpus::kNoDriver:
      return cudaErrorInsufficientDriver;
  }
  return cudaErrorUnknown;
}

std::optional<int> injected_failure(const char* function) {
  for (auto [it, end] = failures().equal_range(function); it != end; ++it) {
    if (it->second.calls_before-- > 0) continue;
    const int error = it->second.error;
    failures().erase(it);
    return error;
  }
  return std::nullopt;
}

void fail_next(const std::string& function, int error, int calls_before) {
  const Lock lock(state().mutex);
  failures().emplace(function, Failure{error, calls_before});
}

void forget_failures() {
  const Lock lock(state().mutex);
  failures().clear();
}

Counters counters() {
  const Lock lock(state().mutex);
  Counters now = state().counters;
  now.device_bytes_in_use = state().memory.used();
  // The pools of the devices are nobody's to destroy.
  now.handles_in_use = state().streams.size() + state().events.size() + state().graphs.size() +
                       state().graph_execs.size() + state().pools.size() -
                       static_cast<int64_t>(state().devices.size()) + state().library_handles;
  return now;
}

}  // namespace sluice::emulator

using sluice::emulator::last_error;

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return last_error; }
