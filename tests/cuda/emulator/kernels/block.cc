#include "kernels/block.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "kernels/fail.h"

thread_local constinit uint3 threadIdx{};
thread_local constinit uint3 blockIdx{};
thread_local constinit dim3 blockDim{};
thread_local constinit dim3 gridDim{};

namespace sluice::emulator {
namespace {

thread_local bool in_kernel = false;

Block& block_of_this_host_thread() {
  thread_local Block block;
  return block;
}

}  // namespace

void run_grid(dim3 grid, dim3 block, ThreadOrder order, const std::function<void()>& thread_body) {
  gridDim = grid;
  blockDim = block;
  in_kernel = true;
  Block& runner = block_of_this_host_thread();
  runner.prepare(order, thread_body);
  for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z) {
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
        runner.run();
      }
    }
  }
  in_kernel = false;
}

Block& Block::current() {
  if (!in_kernel) fail("device code called outside of a kernel");
  return block_of_this_host_thread();
}

void Block::prepare(ThreadOrder order, const std::function<void()>& thread_body) {
  body_ = &thread_body;
  const dim3 size = blockDim;
  threads_.assign(size_t{size.x} * size.y * size.z, Thread{});
  order_.resize(threads_.size());
  for (size_t t = 0; t < threads_.size(); ++t) {
    const auto i = static_cast<unsigned>(t);
    threads_[t].index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
    const bool ascending = order == ThreadOrder::kAscending;
    order_[t] = static_cast<int>(ascending ? t : threads_.size() - 1 - t);
  }
}

void Block::run() {
  for (Thread& thread : threads_) thread.state = State::kReady;
  started_ = returned_ = at_barrier_ = in_warp_ = 0;
  predicates_ = released_predicates_ = 0;
  for (;;) {
    if (!ready_.empty()) {
      const int thread = ready_.front();
      ready_.pop_front();
      threads_[thread].fiber->resume();
    } else if (started_ < order_.size()) {
      idle_fiber().resume();
    } else if (returned_ == threads_.size()) {
      return;
    } else if (at_barrier_ == threads_.size()) {
      release_barrier();
    } else {
      fail_stuck();
    }
  }
}

Fiber& Block::idle_fiber() {
  if (idle_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>([this] { run_threads(); }));
    return *fibers_.back();
  }
  Fiber* const fiber = idle_.back();
  idle_.pop_back();
  return *fiber;
}

void Block::run_threads() {
  while (started_ < order_.size()) run_thread(order_[started_++]);
  idle_.push_back(Fiber::current());
}

void Block::run_thread(int thread) {
  running_ = thread;
  threadIdx = threads_[thread].index;
  threads_[thread].fiber = Fiber::current();
  (*body_)();
  threads_[thread].state = State::kReturned;
  ++returned_;
  if (in_warp_ == 0) return;
  // The others of its warp may have waited for no one else.
  const int first = thread / kWarp * kWarp;
  const int last = std::min<int>(first + kWarp, static_cast<int>(threads_.size()));
  for (int t = first; t < last; ++t) {
    if (threads_[t].state == State::kInWarp) complete_warp(t);
  }
}

void Block::wait(State state) {
  const int thread = running_;
  threads_[thread].state = state;
  threads_[thread].fiber->suspend();
  running_ = thread;
  threadIdx = threads_[thread].index;
}

void Block::make_ready(int thread) {
  threads_[thread].state = State::kReady;
  ready_.push_back(thread);
}

int Block::barrier(int predicate) {
  ++at_barrier_;
  predicates_ += predicate != 0 ? 1 : 0;
  wait(State::kAtBarrier);
  return released_predicates_;
}

void Block::release_barrier() {
  at_barrier_ = 0;
  released_predicates_ = std::exchange(predicates_, 0);
  for (const int thread : order_) make_ready(thread);
}

uint64_t Block::exchange(WarpOperation operation, unsigned mask, uint64_t value, int source) {
  const int thread = running_;
  Thread& self = threads_[thread];
  self.operation = operation;
  self.mask = mask;
  self.value = value;
  self.source = source;
  if ((mask >> lane() & 1u) == 0) {
    fail(describe(thread) + " calls it, but its own lane is not in the mask");
  }
  self.state = State::kInWarp;
  ++in_warp_;
  if (!complete_warp(thread)) wait(State::kInWarp);
  return self.result;
}

// Lets the lanes that `thread` waits with go on, if all have come. The last one to come goes on at
// once; the others are made ready.
bool Block::complete_warp(int thread) {
  const Thread& self = threads_[thread];
  const int first = thread / kWarp * kWarp;
  const int size = std::min<int>(kWarp, static_cast<int>(threads_.size()) - first);
  unsigned present = 0;
  for (int i = 0; i < size; ++i) {
    const Thread& other = threads_[first + i];
    if ((self.mask >> i & 1u) == 0 || other.state == State::kReturned) continue;
    if (other.state != State::kInWarp || other.operation != self.operation ||
        other.mask != self.mask) {
      return false;
    }
    present |= 1u << i;
  }
  for (int i = 0; i < size; ++i) {
    if ((present >> i & 1u) != 0) threads_[first + i].result = result_of(first + i, present);
  }
  in_warp_ -= static_cast<size_t>(std::popcount(present));
  const bool ascending = order_.front() == 0;
  for (int i = 0; i < size; ++i) {
    const int t = first + (ascending ? i : size - 1 - i);
    if ((present >> (t - first) & 1u) == 0) continue;
    if (t == running_) {
      threads_[t].state = State::kReady;
    } else {
      make_ready(t);
    }
  }
  return true;
}

uint64_t Block::result_of(int thread, unsigned present) const {
  const Thread& self = threads_[thread];
  const int first = thread / kWarp * kWarp;
  switch (self.operation) {
    case WarpOperation::kSyncwarp:
      return 0;
    case WarpOperation::kBallot:
    case WarpOperation::kAny:
    case WarpOperation::kAll: {
      uint64_t bits = 0;
      for (int i = 0; i < kWarp; ++i) {
        if ((present >> i & 1u) != 0 && threads_[first + i].value != 0) bits |= uint64_t{1} << i;
      }
      return bits;
    }
    default:
      if ((present >> self.source & 1u) == 0) {
        fail(describe(thread) + " asks for the value of lane " + std::to_string(self.source) +
             ", which takes no part");
      }
      return threads_[first + self.source].value;
  }
}

unsigned Block::live_lanes() const {
  const int first = running_ / kWarp * kWarp;
  unsigned lanes = 0;
  for (int i = 0; i < kWarp && first + i < static_cast<int>(threads_.size()); ++i) {
    if (threads_[first + i].state != State::kReturned) lanes |= 1u << i;
  }
  return lanes;
}

int block_barrier(int predicate) { return Block::current().barrier(predicate); }
uint64_t warp_exchange(WarpOperation operation, unsigned mask, uint64_t value, int source) {
  return Block::current().exchange(operation, mask, value, source);
}
int lane() { return Block::current().lane(); }
unsigned live_lanes() { return Block::current().live_lanes(); }

}  // namespace sluice::emulator
