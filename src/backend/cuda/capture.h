// Work on a stream that becomes a graph.
#pragma once

#include <cuda_runtime.h>

#include <memory>

#include "backend/cuda/check.h"
#include "backend/cuda/handles.h"

namespace sluice::backend::cuda {

// Between its construction and end(), what is put on the stream becomes a graph instead of being
// done. Device::captures() must be held.
class Capture {
 public:
  explicit Capture(cudaStream_t stream) : stream_(stream) {
    SLUICE_CHECKED(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
  }
  Capture(const Capture&) = delete;
  ~Capture() {
    if (ended_) return;  // otherwise something was thrown, and the graph is of no use
    cudaGraph_t graph = nullptr;
    (void)cudaStreamEndCapture(stream_, &graph);
    if (graph != nullptr) (void)cudaGraphDestroy(graph);
    (void)cudaGetLastError();
  }
  GraphHandle end() {
    ended_ = true;
    cudaGraph_t graph = nullptr;
    SLUICE_CHECKED(cudaStreamEndCapture(stream_, &graph));
    return GraphHandle(graph);
  }

 private:
  const cudaStream_t stream_;
  bool ended_ = false;
};

inline GraphExec executable(const GraphHandle& graph) {
  return made<GraphExec>(
      [&](cudaGraphExec_t* exec) { return cudaGraphInstantiate(exec, graph.get(), 0); });
}

}  // namespace sluice::backend::cuda
