// Streams, and host functions on them.
#include <algorithm>

#include "runtime/state.h"

namespace sluice::emulator {
namespace {

cudaError_t create(cudaStream_t* handle, unsigned flags) {
  if (handle == nullptr || (flags & ~unsigned{cudaStreamNonBlocking}) != 0) {
    return cudaErrorInvalidValue;
  }
  const bool blocking = (flags & cudaStreamNonBlocking) == 0;
  auto stream = std::make_shared<Stream>(current_device(), blocking);
  device_state(current_device()).streams.push_back(stream);
  *handle = state().streams.add(std::move(stream));
  return cudaSuccess;
}

void forget_finished(Device& device) {
  std::erase_if(device.streams, [](const auto& s) { return s->destroyed && s->queue.empty(); });
}

// Waits, queries and destruction: of a stream, and not of one that captures.
template <typename Body>
cudaError_t outside_capture(cudaStream_t handle, const Body& body) {
  const std::shared_ptr<Stream> stream = find_stream(handle);
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  if (stream->capture != nullptr) return refuse_captured(stream->capture);
  if (const cudaError_t error = check_no_capture(); error != cudaSuccess) return error;
  return body(stream);
}

}  // namespace
}  // namespace sluice::emulator

using namespace sluice::emulator;

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return call(__func__, [&](Lock&) { return create(stream, cudaStreamDefault); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return call(__func__, [&](Lock&) { return create(stream, flags); });
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return call(__func__, [&](Lock&) { return create(stream, flags); });
}

// Returns at once; what is queued still runs when somebody waits for it.
cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  return call(__func__, [&](Lock&) {
    const std::shared_ptr<Stream> stream = state().streams.find(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (stream->capture != nullptr) return refuse_captured(stream->capture);
    state().streams.remove(handle);
    stream->destroyed = true;
    forget_finished(device_state(stream->device));
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return call(__func__, [&](Lock& lock) {
    return outside_capture(handle, [&](const std::shared_ptr<Stream>& stream) {
      ++state().counters.synchronisations;
      wait_for(lock, end_of(stream));
      return cudaSuccess;
    });
  });
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  return call(__func__, [&](Lock& lock) {
    return outside_capture(handle, [&](const std::shared_ptr<Stream>& stream) {
      run_one(lock, stream);
      return stream->queue.empty() ? cudaSuccess : cudaErrorNotReady;
    });
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream_handle, cudaEvent_t event_handle, unsigned) {
  return call(__func__, [&](Lock&) {
    const std::shared_ptr<Stream> stream = find_stream(stream_handle);
    const std::shared_ptr<Event> event = state().events.find(event_handle);
    if (stream == nullptr || event == nullptr) return cudaErrorInvalidResourceHandle;
    if (event->captured) return join_capture(stream, *event);
    if (event->record == nullptr) return cudaSuccess;
    if (stream->capture != nullptr) {
      stream->capture->invalid = true;
      return cudaErrorStreamCaptureIsolation;
    }
    enqueue_wait(stream, event->record->mark);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  return call(__func__, [&](Lock&) {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    return stream == nullptr ? cudaErrorInvalidResourceHandle : begin_capture(stream, mode);
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  return call(__func__, [&](Lock&) {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (graph == nullptr) return cudaErrorInvalidValue;
    std::shared_ptr<Graph> captured;
    const cudaError_t error = end_capture(stream, &captured);
    *graph = captured == nullptr ? nullptr : state().graphs.add(std::move(captured));
    return error;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  return call(__func__, [&](Lock&) {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (status == nullptr) return cudaErrorInvalidValue;
    *status = stream->capture == nullptr ? cudaStreamCaptureStatusNone
              : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                         : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  return call(__func__, [&](Lock&) {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (function == nullptr) return cudaErrorInvalidValue;
    return enqueue(stream, [function, data] {
      const HostFunctionScope scope;
      function(data);
    });
  });
}
