// Queues of operations, and who runs them: whoever waits.
#pragma once

#include <cuda_runtime_api.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace sluice::emulator {

struct Capture;
struct Stream;
using Lock = std::unique_lock<std::mutex>;  // on State::mutex

// A place in a stream: reached when its first `operations` operations are done.
struct Mark {
  std::shared_ptr<Stream> stream;  // null: reached
  uint64_t operations = 0;
  bool reached() const;
};

struct Operation {
  std::vector<Mark> after;
  std::function<void()> run;  // null: nothing but the wait
};

// Guarded by State::mutex, which is not held while an operation runs.
struct Stream {
  Stream(int of_device, bool is_blocking) : device(of_device), blocking(is_blocking) {}

  const int device;
  const bool blocking;          // waits for the default stream, which waits for it
  std::deque<Operation> queue;  // the first stays until it is done
  uint64_t done = 0;            // operations
  bool running = false;         // some thread is at the first of the queue
  bool destroyed = false;       // what is queued runs nevertheless

  std::shared_ptr<Capture> capture;  // null: operations are queued
  std::vector<size_t> tail;          // the captured nodes that the next one comes after
};

struct Record {
  Mark mark;
  std::chrono::steady_clock::time_point time;  // when the mark was reached
};

struct Event {
  bool timed = true;
  std::shared_ptr<Record> record;  // null: never recorded
  // Where it was last recorded by a stream that captured; the record is null then.
  std::weak_ptr<Capture> capture;
  bool captured = false;
  std::vector<size_t> captured_tail;
};

// Null for a handle that names no stream. 0 and cudaStreamLegacy are the default stream of the
// calling thread's device.
std::shared_ptr<Stream> find_stream(cudaStream_t handle);

// Queues or records an operation.
cudaError_t enqueue(const std::shared_ptr<Stream>& stream, std::function<void()> run);

// Queues a wait without regard to captures.
void enqueue_wait(const std::shared_ptr<Stream>& stream, const Mark& mark);

// The end of what is queued.
Mark end_of(const std::shared_ptr<Stream>& stream);

// Runs one operation of `stream`, or of a stream that it waits for. False if there is none, or
// another thread runs it.
bool run_one(Lock& lock, std::shared_ptr<Stream> stream);

// Runs what must be run until the mark is reached.
void wait_for(Lock& lock, const Mark& mark);

// The same for all that is queued on a device.
void wait_for_device(Lock& lock, int device);
void wait_for_all_devices(Lock& lock);

}  // namespace sluice::emulator
