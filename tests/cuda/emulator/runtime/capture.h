// Recording operations instead of queueing them, and graphs of what was recorded.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "runtime/stream.h"

namespace sluice::emulator {

struct Node {
  std::function<void()> run;
  std::vector<size_t> after;  // nodes of smaller index
};

struct Capture {
  std::shared_ptr<Stream> origin;
  std::thread::id thread;
  cudaStreamCaptureMode mode;
  bool invalid = false;
  std::vector<Node> nodes;
  std::vector<std::shared_ptr<Stream>> streams;  // the origin first
};

struct Graph {
  std::vector<Node> nodes;
};

// A graph made ready to run. Both orders are valid; which of its branches runs first differs.
struct GraphExec {
  std::vector<Node> nodes;
  std::vector<size_t> issue_order;
  std::vector<size_t> late_branches_first;
  uint64_t launches = 0;
  Mark last_launch;  // a graph does not run concurrently with itself
};
std::shared_ptr<GraphExec> make_executable(const Graph& graph);

// Adds a node to the capture that `stream` takes part in.
cudaError_t record_node(const std::shared_ptr<Stream>& stream, std::function<void()> run);

// `stream` waits for what the event captured: joins the event's capture, or its branch.
cudaError_t join_capture(const std::shared_ptr<Stream>& stream, const Event& event);

// The error of a call that a capture of this thread forbids, or of another one that forbids it to
// all threads; that capture is invalid from then on.
cudaError_t check_no_capture();

// The error of waiting for, or asking about, a stream or event that captures.
cudaError_t refuse_captured(const std::shared_ptr<Capture>& capture);

cudaError_t begin_capture(const std::shared_ptr<Stream>& stream, cudaStreamCaptureMode mode);

// `graph` is null on failure.
cudaError_t end_capture(const std::shared_ptr<Stream>& stream, std::shared_ptr<Graph>* graph);

}  // namespace sluice::emulator
