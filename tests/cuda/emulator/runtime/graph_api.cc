// Graphs.
#include <algorithm>

#include "runtime/state.h"

namespace sluice::emulator {
namespace {

cudaError_t launch_graph(const std::shared_ptr<GraphExec>& exec,
                         const std::shared_ptr<Stream>& stream) {
  if (stream->capture != nullptr) {  // a graph in a graph
    stream->capture->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  enqueue_wait(stream, exec->last_launch);
  const bool late_first = exec->launches++ % 2 != 0;
  const cudaError_t error = enqueue(stream, [exec, late_first] {
    for (const size_t node : late_first ? exec->late_branches_first : exec->issue_order) {
      exec->nodes[node].run();
    }
    const Lock lock(state().mutex);
    ++state().counters.graphs_run;
  });
  exec->last_launch = end_of(stream);
  return error;
}

cudaError_t instantiate(cudaGraphExec_t* exec, cudaGraph_t graph_handle) {
  const std::shared_ptr<Graph> graph = state().graphs.find(graph_handle);
  if (exec == nullptr || graph == nullptr) return cudaErrorInvalidValue;
  *exec = state().graph_execs.add(make_executable(*graph));
  return cudaSuccess;
}

}  // namespace
}  // namespace sluice::emulator

using namespace sluice::emulator;

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  return call(__func__, [&](Lock&) { return instantiate(exec, graph); });
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph,
                                          unsigned long long) {
  return call(__func__, [&](Lock&) { return instantiate(exec, graph); });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec_handle, cudaStream_t stream_handle) {
  return call(__func__, [&](Lock&) {
    const std::shared_ptr<GraphExec> exec = state().graph_execs.find(exec_handle);
    const std::shared_ptr<Stream> stream = find_stream(stream_handle);
    if (exec == nullptr) return cudaErrorInvalidValue;
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    return launch_graph(exec, stream);
  });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec_handle, cudaStream_t stream_handle) {
  return call(__func__, [&](Lock&) {
    if (state().graph_execs.find(exec_handle) == nullptr) return cudaErrorInvalidValue;
    return find_stream(stream_handle) == nullptr ? cudaErrorInvalidResourceHandle : cudaSuccess;
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph_handle, cudaGraphNode_t* nodes, size_t* count) {
  return call(__func__, [&](Lock&) {
    const std::shared_ptr<Graph> graph = state().graphs.find(graph_handle);
    if (graph == nullptr || count == nullptr) return cudaErrorInvalidValue;
    const size_t size = graph->nodes.size();
    if (nodes != nullptr) {
      // No function takes a node, so any handles will do; they are the nodes' addresses.
      for (size_t i = 0; i < *count; ++i) {
        nodes[i] = i < size ? reinterpret_cast<cudaGraphNode_t>(&graph->nodes[i]) : nullptr;
      }
    }
    *count = nodes == nullptr ? size : std::min(*count, size);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call(__func__, [&](Lock&) {
    return state().graphs.remove(graph) ? cudaSuccess : cudaErrorInvalidValue;
  });
}

// What is queued runs nevertheless.
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return call(__func__, [&](Lock&) {
    return state().graph_execs.remove(exec) ? cudaSuccess : cudaErrorInvalidValue;
  });
}
