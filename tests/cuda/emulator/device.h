// What CUDA's compiler gives to device code, for g++: force-included before a `.cu` file that is
// compiled as C++. See emulator.h.
//
// A __shared__ variable is one per host thread, and a block finds in it what the block before left.
// It cannot be `extern`: dynamic shared memory is not emulated. Nothing of CUDA's device library is
// here that no kernel has needed yet.
#pragma once

// Before CUDA's headers, which leave these alone if they are defined.
#define __shared__ static thread_local
#define __launch_bounds__(...)

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <type_traits>

#include "emulator.h"
#include "kernels/device_math.h"
#include "kernels/thread.h"

inline constexpr int warpSize = 32;

// Barriers and fences. One thread runs at a time, so a fence has nothing to do.

inline void __syncthreads() { sluice::emulator::block_barrier(0); }
inline int __syncthreads_count(int predicate) { return sluice::emulator::block_barrier(predicate); }
inline int __syncthreads_or(int predicate) {
  return sluice::emulator::block_barrier(predicate) > 0;
}
inline int __syncthreads_and(int predicate) {
  return sluice::emulator::block_barrier(predicate == 0) == 0;
}
inline void __syncwarp(unsigned mask = 0xffffffffu) {
  sluice::emulator::warp_exchange(sluice::emulator::WarpOperation::kSyncwarp, mask, 0, 0);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

// Votes.

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return static_cast<unsigned>(sluice::emulator::warp_exchange(
      sluice::emulator::WarpOperation::kBallot, mask, predicate != 0 ? 1 : 0, 0));
}
inline int __any_sync(unsigned mask, int predicate) {
  return sluice::emulator::warp_exchange(sluice::emulator::WarpOperation::kAny, mask,
                                         predicate != 0 ? 1 : 0, 0) != 0;
}
inline int __all_sync(unsigned mask, int predicate) {
  return sluice::emulator::warp_exchange(sluice::emulator::WarpOperation::kAll, mask,
                                         predicate == 0 ? 1 : 0, 0) == 0;
}
inline unsigned __activemask() { return sluice::emulator::live_lanes(); }

// Shuffles. A source outside of the segment of `width` lanes is the lane itself.

namespace sluice::emulator {

template <typename T>
T shuffle(WarpOperation operation, unsigned mask, T value, int source) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = warp_exchange(operation, mask, bits, source);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline int segment(int width) { return lane() & ~(width - 1); }

}  // namespace sluice::emulator

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize) {
  return sluice::emulator::shuffle(sluice::emulator::WarpOperation::kShuffle, mask, value,
                                   sluice::emulator::segment(width) + (source & (width - 1)));
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize) {
  const int self = sluice::emulator::lane();
  const int source = self - static_cast<int>(delta);
  return sluice::emulator::shuffle(sluice::emulator::WarpOperation::kShuffleUp, mask, value,
                                   source >= sluice::emulator::segment(width) ? source : self);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize) {
  const int self = sluice::emulator::lane();
  const int source = self + static_cast<int>(delta);
  const int end = sluice::emulator::segment(width) + width;
  return sluice::emulator::shuffle(sluice::emulator::WarpOperation::kShuffleDown, mask, value,
                                   source < end ? source : self);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize) {
  const int self = sluice::emulator::lane();
  const int source = self ^ lane_mask;
  const int end = sluice::emulator::segment(width) + width;
  return sluice::emulator::shuffle(sluice::emulator::WarpOperation::kShuffleXor, mask, value,
                                   source < end ? source : self);
}

// Atomics, which other host threads may be at too. They return the value before.

template <typename T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*address).fetch_add(value, std::memory_order_relaxed);
}
template <typename T>
T atomicExch(T* address, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*address).exchange(value, std::memory_order_relaxed);
}
template <typename T>
T atomicCAS(T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  std::atomic_ref<T>(*address).compare_exchange_strong(compare, value, std::memory_order_relaxed);
  return compare;
}
template <typename T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  std::atomic_ref<T> target(*address);
  T before = target.load(std::memory_order_relaxed);
  while (before < value && !target.compare_exchange_weak(before, value)) {
  }
  return before;
}
template <typename T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  std::atomic_ref<T> target(*address);
  T before = target.load(std::memory_order_relaxed);
  while (value < before && !target.compare_exchange_weak(before, value)) {
  }
  return before;
}
template <typename T>
T atomicOr(T* address, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*address).fetch_or(value, std::memory_order_relaxed);
}

// Loads and stores that differ from plain ones in caching only.

template <typename T>
T __ldg(const T* address) {
  return *address;
}
template <typename T>
T __ldcs(const T* address) {
  return *address;
}
template <typename T>
T __ldcg(const T* address) {
  return *address;
}
template <typename T>
void __stcs(T* address, T value) {
  *address = value;
}
template <typename T>
void __stcg(T* address, T value) {
  *address = value;
}
