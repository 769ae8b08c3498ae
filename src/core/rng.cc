#include "core/rng.h"

#include <cmath>
#include <random>
#include <utility>

namespace sluice::core {
namespace {

uint64_t splitmix64(uint64_t& x) {
  x += 0x9E3779B97F4A7C15u;
  uint64_t z = x;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

}  // namespace

Rng::Rng(uint64_t seed, std::initializer_list<uint64_t> streams) {
  uint64_t x = seed;
  uint64_t mixed = splitmix64(x);
  for (uint64_t stream : streams) {
    x = mixed ^ (stream + 0x632BE59BD9B4E019u);
    mixed = splitmix64(x);
  }
  for (uint64_t& word : state_) word = splitmix64(mixed);
}

uint64_t Rng::next() {
  const uint64_t result = rotl(state_[1] * 5, 7) * 9;
  const uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = rotl(state_[3], 45);
  return result;
}

uint64_t Rng::below(uint64_t bound) {
  const uint64_t threshold = -bound % bound;  // 2^64 mod bound
  for (;;) {
    const uint64_t r = next();
    if (r >= threshold) return r % bound;
  }
}

float Rng::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  for (;;) {
    const float u = uniform(-1, 1);
    const float v = uniform(-1, 1);
    const float s = u * u + v * v;
    if (s >= 1 || s == 0) continue;
    const float factor = std::sqrt(-2 * std::log(s) / s);
    spare_ = v * factor;
    has_spare_ = true;
    return u * factor;
  }
}

void Rng::shuffle(std::span<uint32_t> values) {
  for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
}

uint64_t unique_number() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

uint64_t stream_of(const char* name, size_t size) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (size_t i = 0; i < size; ++i) {
    hash ^= static_cast<unsigned char>(name[i]);
    hash *= 0x100000001B3u;
  }
  return hash;
}

}  // namespace sluice::core
