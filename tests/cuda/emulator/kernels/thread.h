// What a CUDA thread knows of itself, and how it meets the others of its block.
#pragma once

#include <vector_types.h>

#include <cstdint>

// One CUDA thread at a time runs on a host thread.
extern thread_local constinit uint3 threadIdx;
extern thread_local constinit uint3 blockIdx;
extern thread_local constinit dim3 blockDim;
extern thread_local constinit dim3 gridDim;

namespace sluice::emulator {

// Waits for all threads of the block. Returns for how many of them `predicate` was not zero.
int block_barrier(int predicate);

enum class WarpOperation {
  kSyncwarp,
  kShuffle,
  kShuffleUp,
  kShuffleDown,
  kShuffleXor,
  kBallot,
  kAny,
  kAll
};

// Waits until all lanes of `mask` call the same with the same mask. Returns the value that lane
// `source` of the warp brought; for kBallot, kAny and kAll a bit for each lane whose value was not
// zero. Lanes of the mask that have returned or that the block does not have are not waited for,
// and no lane may ask for their value.
uint64_t warp_exchange(WarpOperation operation, unsigned mask, uint64_t value, int source);

// Of the calling thread in its warp.
int lane();

// Bits of the lanes of its warp that exist and have not returned.
unsigned live_lanes();

}  // namespace sluice::emulator
