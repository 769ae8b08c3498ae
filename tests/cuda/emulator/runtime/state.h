// All that the emulated driver knows, and the frame of every call into it.
#pragma once

#include <cuda_runtime_api.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "emulator.h"
#include "runtime/capture.h"
#include "runtime/handles.h"
#include "runtime/memory.h"
#include "runtime/stream.h"

namespace sluice::emulator {

struct Device {
  std::shared_ptr<Stream> default_stream;
  std::vector<std::shared_ptr<Stream>>
      streams;  // all others, the destroyed ones until they are done
  std::shared_ptr<Pool> pool;
  cudaMemPool_t pool_handle = nullptr;
};

struct State {
  std::mutex mutex;
  std::condition_variable progress;  // an operation is done
  std::map<int, Device> devices;     // by use
  Memory memory;
  HandleTable<cudaStream_t, Stream> streams;
  HandleTable<cudaEvent_t, Event> events;
  HandleTable<cudaGraph_t, Graph> graphs;
  HandleTable<cudaGraphExec_t, GraphExec> graph_execs;
  HandleTable<cudaMemPool_t, Pool> pools;
  std::vector<std::shared_ptr<Capture>> captures;
  Counters counters;
  int64_t library_handles = 0;  // of cuDNN and cuBLASLt
};
State& state();

// The calling thread's.
int current_device();
void set_current_device(int device);
Device& device_state(int device);

// What fail_next() asked for, of this call of `function`.
std::optional<int> injected_failure(const char* function);

// Sets what cudaGetLastError() returns on this thread.
cudaError_t remember(cudaError_t error);

// Host functions must not call CUDA.
class HostFunctionScope {
 public:
  HostFunctionScope();
  ~HostFunctionScope();
};
bool in_host_function();

// The error of a machine without a GPU or a driver; success on others.
cudaError_t check_device();

// The frame of a call that needs a device: `body` gets the lock.
template <typename Body>
cudaError_t call(const char* function, const Body& body) {
  Lock lock(state().mutex);
  if (const auto error = injected_failure(function)) {
    return remember(static_cast<cudaError_t>(*error));
  }
  if (in_host_function()) return remember(cudaErrorNotPermitted);
  if (const cudaError_t error = check_device(); error != cudaSuccess) return remember(error);
  return remember(body(lock));
}

}  // namespace sluice::emulator
