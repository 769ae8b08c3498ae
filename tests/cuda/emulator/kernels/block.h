// Runs the threads of a block, one after another on one host thread.
//
// One fiber runs thread after thread. When a thread has to wait, for a barrier or for its warp, its
// fiber waits with it and another fiber goes on with the threads that have not started yet. So a
// kernel without barriers switches only twice per block.
#pragma once

#include <cuda_runtime_api.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/fiber.h"
#include "kernels/thread.h"

namespace sluice::emulator {

// Runs all blocks of a grid on the calling thread. `descending`: the order of a block's threads.
enum class ThreadOrder { kAscending, kDescending };
void run_grid(dim3 grid, dim3 block, ThreadOrder order, const std::function<void()>& thread_body);

class Block {
 public:
  // The block whose kernel runs on this host thread; ends the test when there is none.
  static Block& current();

  // Before the first block of a grid.
  void prepare(ThreadOrder order, const std::function<void()>& thread_body);
  // Runs every thread of the block that blockIdx names.
  void run();

  int barrier(int predicate);
  uint64_t exchange(WarpOperation operation, unsigned mask, uint64_t value, int source);
  int lane() const { return running_ % kWarp; }
  unsigned live_lanes() const;

 private:
  static constexpr int kWarp = 32;
  enum class State { kReady, kAtBarrier, kInWarp, kReturned };

  struct Thread {
    uint3 index;
    State state = State::kReady;
    Fiber* fiber = nullptr;
    WarpOperation operation = WarpOperation::kSyncwarp;
    unsigned mask = 0;
    uint64_t value = 0;
    int source = 0;
    uint64_t result = 0;
  };

  void run_threads();  // the body of every fiber
  void run_thread(int thread);
  void wait(State state);
  void make_ready(int thread);
  void release_barrier();
  bool complete_warp(int thread);
  uint64_t result_of(int thread, unsigned present) const;
  Fiber& idle_fiber();
  int count(State state) const;
  std::string describe(int thread) const;
  [[noreturn]] void fail_stuck() const;
  [[noreturn]] void fail_warp(int thread) const;

  const std::function<void()>* body_ = nullptr;
  std::vector<Thread> threads_;
  std::vector<int> order_;
  size_t started_ = 0;  // of order_
  int running_ = 0;     // the thread
  size_t returned_ = 0;
  size_t at_barrier_ = 0;
  size_t in_warp_ = 0;           // wait for their warps
  int predicates_ = 0;           // that were not zero, at the barrier that fills
  int released_predicates_ = 0;  // at the barrier before it
  std::deque<int> ready_;        // threads that waited and need not any more
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
};

}  // namespace sluice::emulator
