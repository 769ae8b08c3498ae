#include "runtime/stream.h"

#include <algorithm>
#include <utility>

#include "runtime/capture.h"
#include "runtime/state.h"

namespace sluice::emulator {
namespace {

// What an operation that is queued now has to wait for besides those before it in its stream: the
// default stream and the blocking ones wait for each other.
std::vector<Mark> implied_waits(const std::shared_ptr<Stream>& stream) {
  Device& device = device_state(stream->device);
  std::vector<Mark> waits;
  const auto add = [&waits](const std::shared_ptr<Stream>& other) {
    if (!other->queue.empty()) waits.push_back(end_of(other));
  };
  if (stream == device.default_stream) {
    for (const auto& other : device.streams) {
      if (other->blocking) add(other);
    }
  } else if (stream->blocking) {
    add(device.default_stream);
  }
  return waits;
}

// The default stream would have to wait for a stream whose operations never run.
cudaError_t check_implied_capture(const Stream& stream) {
  Device& device = device_state(stream.device);
  if (&stream != device.default_stream.get()) return cudaSuccess;
  for (const auto& other : device.streams) {
    if (!other->blocking || other->capture == nullptr) continue;
    other->capture->invalid = true;
    return cudaErrorStreamCaptureImplicit;
  }
  return cudaSuccess;
}

const Mark* first_unreached(const Operation& operation) {
  const auto it = std::find_if(operation.after.begin(), operation.after.end(),
                               [](const Mark& mark) { return !mark.reached(); });
  return it == operation.after.end() ? nullptr : &*it;
}

}  // namespace

bool Mark::reached() const { return stream == nullptr || stream->done >= operations; }

std::shared_ptr<Stream> find_stream(cudaStream_t handle) {
  if (handle == nullptr || handle == cudaStreamLegacy) {
    return device_state(current_device()).default_stream;
  }
  return state().streams.find(handle);
}

Mark end_of(const std::shared_ptr<Stream>& stream) {
  return {stream, stream->done + stream->queue.size()};
}

cudaError_t enqueue(const std::shared_ptr<Stream>& stream, std::function<void()> run) {
  if (stream->capture != nullptr) return record_node(stream, std::move(run));
  if (const cudaError_t error = check_implied_capture(*stream); error != cudaSuccess) return error;
  stream->queue.push_back({implied_waits(stream), std::move(run)});
  return cudaSuccess;
}

void enqueue_wait(const std::shared_ptr<Stream>& stream, const Mark& mark) {
  if (!mark.reached() && mark.stream != stream) stream->queue.push_back({{mark}, nullptr});
}

bool run_one(Lock& lock, std::shared_ptr<Stream> stream) {
  // Waits only lead to operations that were queued earlier, so this ends.
  for (;;) {
    if (stream->queue.empty() || stream->running) return false;
    const Mark* const wait = first_unreached(stream->queue.front());
    if (wait == nullptr) break;
    stream = std::shared_ptr<Stream>(wait->stream);
  }
  const std::function<void()> run = std::move(stream->queue.front().run);
  stream->running = true;
  if (run != nullptr) {
    lock.unlock();
    run();
    lock.lock();
  }
  stream->queue.pop_front();
  stream->running = false;
  ++stream->done;
  state().progress.notify_all();
  return true;
}

void wait_for(Lock& lock, const Mark& mark) {
  while (!mark.reached()) {
    if (!run_one(lock, mark.stream)) state().progress.wait(lock);
  }
}

void wait_for_device(Lock& lock, int device) {
  std::vector<Mark> ends{end_of(device_state(device).default_stream)};
  for (const auto& stream : device_state(device).streams) ends.push_back(end_of(stream));
  for (const Mark& end : ends) wait_for(lock, end);
}

void wait_for_all_devices(Lock& lock) {
  std::vector<int> devices;
  for (const auto& [id, device] : state().devices) devices.push_back(id);
  for (const int device : devices) wait_for_device(lock, device);
}

}  // namespace sluice::emulator
