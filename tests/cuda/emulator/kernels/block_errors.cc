// Messages about kernels whose threads wait for each other in vain.
#include <cstdio>

#include "kernels/block.h"
#include "kernels/fail.h"

namespace sluice::emulator {
namespace {

const char* name_of(WarpOperation operation) {
  switch (operation) {
    case WarpOperation::kSyncwarp:
      return "__syncwarp";
    case WarpOperation::kShuffle:
      return "__shfl_sync";
    case WarpOperation::kShuffleUp:
      return "__shfl_up_sync";
    case WarpOperation::kShuffleDown:
      return "__shfl_down_sync";
    case WarpOperation::kShuffleXor:
      return "__shfl_xor_sync";
    case WarpOperation::kBallot:
      return "__ballot_sync";
    case WarpOperation::kAny:
      return "__any_sync";
    case WarpOperation::kAll:
      return "__all_sync";
  }
  return "?";
}

std::string three(const uint3& i) {
  char text[48];
  std::snprintf(text, sizeof text, "(%u, %u, %u)", i.x, i.y, i.z);
  return text;
}

std::string hex(unsigned mask) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", mask);
  return text;
}

}  // namespace

int Block::count(State state) const {
  int threads = 0;
  for (const Thread& thread : threads_) threads += thread.state == state ? 1 : 0;
  return threads;
}

std::string Block::describe(int thread) const {
  const Thread& t = threads_[thread];
  return std::string(name_of(t.operation)) + " with mask " + hex(t.mask) + ": thread " +
         three(t.index) + " of block " + three(blockIdx);
}

void Block::fail_stuck() const {
  for (size_t t = 0; t < threads_.size(); ++t) {
    if (threads_[t].state == State::kInWarp) fail_warp(static_cast<int>(t));
  }
  fail("__syncthreads: in block " + three(blockIdx) + " " +
       std::to_string(count(State::kAtBarrier)) + " threads wait, but " +
       std::to_string(count(State::kReturned)) + " of " + std::to_string(threads_.size()) +
       " have returned without it");
}

void Block::fail_warp(int thread) const {
  const Thread& self = threads_[thread];
  const int first = thread / kWarp * kWarp;
  unsigned missing = 0;
  std::string instead;
  for (int i = 0; i < kWarp && first + i < static_cast<int>(threads_.size()); ++i) {
    const Thread& other = threads_[first + i];
    if ((self.mask >> i & 1u) == 0 || other.state == State::kReturned) continue;
    const bool in_warp = other.state == State::kInWarp;
    if (in_warp && other.operation == self.operation && other.mask == self.mask) continue;
    missing |= 1u << i;
    instead = in_warp ? name_of(other.operation) + (" with mask " + hex(other.mask))
                      : std::string("__syncthreads");
  }
  fail(describe(thread) + " waits for lanes " + hex(missing) + ", which wait at " + instead);
}

}  // namespace sluice::emulator
