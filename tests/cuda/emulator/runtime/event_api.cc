// Events.
#include "runtime/state.h"

namespace sluice::emulator {
namespace {

cudaError_t create(cudaEvent_t* handle, unsigned flags) {
  if (handle == nullptr) return cudaErrorInvalidValue;
  auto event = std::make_shared<Event>();
  event->timed = (flags & cudaEventDisableTiming) == 0;
  *handle = state().events.add(std::move(event));
  return cudaSuccess;
}

void record_captured(const std::shared_ptr<Stream>& stream, Event& event) {
  event.record = nullptr;
  event.captured = true;
  event.capture = stream->capture;
  event.captured_tail = stream->tail;
}

// The record's mark lies behind an operation that notes the time.
cudaError_t record_queued(const std::shared_ptr<Stream>& stream, Event& event) {
  auto record = std::make_shared<Record>();
  const cudaError_t error =
      enqueue(stream, [record] { record->time = std::chrono::steady_clock::now(); });
  if (error != cudaSuccess) return error;
  record->mark = end_of(stream);
  event.record = std::move(record);
  event.captured = false;
  return cudaSuccess;
}

cudaError_t check_waitable(const Event& event) {
  if (event.captured) {
    if (const auto capture = event.capture.lock()) capture->invalid = true;
    return cudaErrorCapturedEvent;
  }
  return check_no_capture();
}

bool reached(const Event& event) { return event.record == nullptr || event.record->mark.reached(); }

}  // namespace
}  // namespace sluice::emulator

using namespace sluice::emulator;

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return call(__func__, [&](Lock&) { return create(event, cudaEventDefault); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call(__func__, [&](Lock&) { return create(event, flags); });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call(__func__, [&](Lock&) {
    return state().events.remove(event) ? cudaSuccess : cudaErrorInvalidResourceHandle;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event_handle, cudaStream_t stream_handle) {
  return call(__func__, [&](Lock&) {
    const std::shared_ptr<Event> event = state().events.find(event_handle);
    const std::shared_ptr<Stream> stream = find_stream(stream_handle);
    if (event == nullptr || stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (stream->capture == nullptr) return record_queued(stream, *event);
    if (stream->capture->invalid) return cudaErrorStreamCaptureInvalidated;
    record_captured(stream, *event);
    return cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  return call(__func__, [&](Lock& lock) {
    const std::shared_ptr<Event> event = state().events.find(handle);
    if (event == nullptr) return cudaErrorInvalidResourceHandle;
    if (const cudaError_t error = check_waitable(*event); error != cudaSuccess) return error;
    ++state().counters.synchronisations;
    if (event->record != nullptr) wait_for(lock, Mark(event->record->mark));
    return cudaSuccess;
  });
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  return call(__func__, [&](Lock& lock) {
    const std::shared_ptr<Event> event = state().events.find(handle);
    if (event == nullptr) return cudaErrorInvalidResourceHandle;
    if (const cudaError_t error = check_waitable(*event); error != cudaSuccess) return error;
    if (reached(*event)) return cudaSuccess;
    const std::shared_ptr<Record> record = event->record;
    run_one(lock, record->mark.stream);
    return record->mark.reached() ? cudaSuccess : cudaErrorNotReady;
  });
}

cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t start_handle, cudaEvent_t end_handle) {
  return call(__func__, [&](Lock&) {
    const std::shared_ptr<Event> start = state().events.find(start_handle);
    const std::shared_ptr<Event> end = state().events.find(end_handle);
    if (ms == nullptr) return cudaErrorInvalidValue;
    if (start == nullptr || end == nullptr || !start->timed || !end->timed) {
      return cudaErrorInvalidResourceHandle;
    }
    if (start->record == nullptr || end->record == nullptr) return cudaErrorInvalidResourceHandle;
    if (!reached(*start) || !reached(*end)) return cudaErrorNotReady;
    *ms = std::chrono::duration<float, std::milli>(end->record->time - start->record->time).count();
    return cudaSuccess;
  });
}
