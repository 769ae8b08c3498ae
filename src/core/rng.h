// Random numbers that are the same on every machine for the same seed and stream.
//
// xoshiro256** (Blackman & Vigna, 2018), seeded by splitmix64 from (seed, streams...). Two
// different lists of streams give independent sequences, so that "the shuffle of epoch 3 of
// partition 1" or "the kernel of conv2d_1" can be named directly instead of drawn in an order that
// must not change. The distributions are our own because the standard library's differ between
// implementations.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>

namespace sluice::core {

class Rng {
 public:
  explicit Rng(uint64_t seed, std::initializer_list<uint64_t> streams = {});

  uint64_t next();
  // Uniform in [0, 1) with 24 random bits.
  float uniform() { return static_cast<float>(next() >> 40) * 0x1.0p-24f; }
  float uniform(float low, float high) { return low + (high - low) * uniform(); }
  // Uniform in [0, bound), without modulo bias. bound > 0.
  uint64_t below(uint64_t bound);
  // Standard normal (Marsaglia's polar method).
  float normal();
  // Fisher-Yates.
  void shuffle(std::span<uint32_t> values);

 private:
  uint64_t state_[4];
  float spare_ = 0;
  bool has_spare_ = false;
};

// A random number from the system, for identifiers that no other process will ever use.
uint64_t unique_number();

// A stable 64-bit hash of a name (FNV-1a), to use as a stream.
uint64_t stream_of(const char* name, size_t size);

}  // namespace sluice::core
