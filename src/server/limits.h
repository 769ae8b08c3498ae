// Upper bounds of numbers that a server gets from the network: far above what any job has, and so
// small that no sum of them overflows and no table of that size exhausts the memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::server {

inline constexpr size_t kMostPartitions = size_t{1} << 20;
inline constexpr int64_t kMostPushes = int64_t{1} << 40;  // of one partition
inline constexpr int64_t kMostIncarnations = int64_t{1} << 62;
inline constexpr int kMostWorkers = 1 << 20;
inline constexpr int64_t kMostWindows = int64_t{1} << 60;  // that a worker has pushed
inline constexpr int64_t kMostVersions = int64_t{1} << 61;  // pushes and mini-batches in all
inline constexpr size_t kMostTrainees = 1 << 16;
inline constexpr int32_t kMostEpochs = 1 << 20;
inline constexpr int64_t kMostSamples = int64_t{1} << 32;  // of one push and epoch
// Creates that are held until the server knows its job; a driver makes one and repeats it.
inline constexpr size_t kMostHeldCreates = 64;

}  // namespace sluice::server
