#include "runtime/capture.h"

#include <algorithm>
#include <queue>
#include <utility>

#include "runtime/state.h"

namespace sluice::emulator {
namespace {

// Kahn's algorithm; of the nodes that are ready the one that `before` puts last goes first.
template <typename Before>
std::vector<size_t> topological_order(const std::vector<Node>& nodes, const Before& before) {
  std::vector<size_t> missing(nodes.size(), 0);
  std::vector<std::vector<size_t>> next(nodes.size());
  std::priority_queue<size_t, std::vector<size_t>, Before> ready(before);
  for (size_t i = 0; i < nodes.size(); ++i) {
    missing[i] = nodes[i].after.size();
    for (const size_t earlier : nodes[i].after) next[earlier].push_back(i);
    if (missing[i] == 0) ready.push(i);
  }
  std::vector<size_t> order;
  while (!ready.empty()) {
    order.push_back(ready.top());
    ready.pop();
    for (const size_t later : next[order.back()]) {
      if (--missing[later] == 0) ready.push(later);
    }
  }
  return order;
}

void merge(std::vector<size_t>& into, const std::vector<size_t>& more) {
  std::vector<size_t> all;
  std::set_union(into.begin(), into.end(), more.begin(), more.end(), std::back_inserter(all));
  into = std::move(all);
}

// Whether every branch of the capture leads back to its origin.
bool joined(const Capture& capture) {
  std::vector<bool> reached(capture.nodes.size(), false);
  std::vector<size_t> open = capture.origin->tail;
  while (!open.empty()) {
    const size_t node = open.back();
    open.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    open.insert(open.end(), capture.nodes[node].after.begin(), capture.nodes[node].after.end());
  }
  return std::all_of(capture.streams.begin(), capture.streams.end(), [&](const auto& stream) {
    return std::all_of(stream->tail.begin(), stream->tail.end(),
                       [&](size_t node) { return reached[node]; });
  });
}

void close(Capture& capture) {
  auto& open = state().captures;
  open.erase(std::find_if(open.begin(), open.end(),
                          [&](const auto& other) { return other.get() == &capture; }));
  for (const auto& stream : std::exchange(capture.streams, {})) {
    stream->tail.clear();
    stream->capture = nullptr;
  }
}

bool forbids_this_thread(const Capture& capture) {
  switch (capture.mode) {
    case cudaStreamCaptureModeGlobal:
      return true;
    case cudaStreamCaptureModeThreadLocal:
      return capture.thread == std::this_thread::get_id();
    case cudaStreamCaptureModeRelaxed:
      return false;
  }
  return false;
}

}  // namespace

std::shared_ptr<GraphExec> make_executable(const Graph& graph) {
  auto exec = std::make_shared<GraphExec>();
  exec->nodes = graph.nodes;
  exec->issue_order = topological_order(graph.nodes, std::greater<size_t>());
  exec->late_branches_first = topological_order(graph.nodes, std::less<size_t>());
  return exec;
}

cudaError_t record_node(const std::shared_ptr<Stream>& stream, std::function<void()> run) {
  Capture& capture = *stream->capture;
  if (capture.invalid) return cudaErrorStreamCaptureInvalidated;
  capture.nodes.push_back({std::move(run), stream->tail});
  stream->tail = {capture.nodes.size() - 1};
  return cudaSuccess;
}

cudaError_t join_capture(const std::shared_ptr<Stream>& stream, const Event& event) {
  const std::shared_ptr<Capture> capture = event.capture.lock();
  if (capture == nullptr || capture->streams.empty()) return cudaErrorCapturedEvent;
  if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
  if (stream->capture == nullptr) {
    if (stream == device_state(stream->device).default_stream) {
      capture->invalid = true;
      return cudaErrorStreamCaptureImplicit;
    }
    stream->capture = capture;
    capture->streams.push_back(stream);
  } else if (stream->capture != capture) {
    capture->invalid = stream->capture->invalid = true;
    return cudaErrorStreamCaptureMerge;
  }
  merge(stream->tail, event.captured_tail);
  return cudaSuccess;
}

cudaError_t check_no_capture() {
  cudaError_t error = cudaSuccess;
  for (const auto& capture : state().captures) {
    if (!forbids_this_thread(*capture)) continue;
    capture->invalid = true;
    error = cudaErrorStreamCaptureUnsupported;
  }
  return error;
}

cudaError_t refuse_captured(const std::shared_ptr<Capture>& capture) {
  if (capture != nullptr) capture->invalid = true;
  return cudaErrorStreamCaptureUnsupported;
}

cudaError_t begin_capture(const std::shared_ptr<Stream>& stream, cudaStreamCaptureMode mode) {
  if (stream == device_state(stream->device).default_stream) {
    return cudaErrorStreamCaptureUnsupported;
  }
  if (stream->capture != nullptr) return cudaErrorIllegalState;
  auto capture = std::make_shared<Capture>();
  capture->origin = stream;
  capture->thread = std::this_thread::get_id();
  capture->mode = mode;
  capture->streams = {stream};
  stream->capture = capture;
  state().captures.push_back(std::move(capture));
  return cudaSuccess;
}

cudaError_t end_capture(const std::shared_ptr<Stream>& stream, std::shared_ptr<Graph>* graph) {
  const std::shared_ptr<Capture> capture = stream->capture;
  if (capture == nullptr) return cudaErrorIllegalState;
  if (capture->origin != stream) return cudaErrorStreamCaptureUnmatched;
  if (capture->mode != cudaStreamCaptureModeRelaxed &&
      capture->thread != std::this_thread::get_id()) {
    return cudaErrorStreamCaptureWrongThread;
  }
  cudaError_t error = cudaSuccess;
  if (capture->invalid) {
    error = cudaErrorStreamCaptureInvalidated;
  } else if (!joined(*capture)) {
    error = cudaErrorStreamCaptureUnjoined;
  } else {
    *graph = std::make_shared<Graph>();
    (*graph)->nodes = std::move(capture->nodes);
  }
  close(*capture);
  capture->origin = nullptr;
  return error;
}

}  // namespace sluice::emulator
