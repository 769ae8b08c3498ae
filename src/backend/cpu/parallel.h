// Splitting a loop over the threads that a replica may use.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace sluice::backend::cpu {

// The number of threads that OpenMP, and so oneDNN, uses when called from this thread, for as long
// as the scope lives.
class ThreadScope {
 public:
  explicit ThreadScope(int threads) : before_(omp_get_max_threads()) {
    omp_set_num_threads(threads);
  }
  ~ThreadScope() { omp_set_num_threads(before_); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
};

// The elements [begin, end) of one of `pieces` contiguous pieces of [0, count), each but the last a
// multiple of `grain` long.
struct Piece {
  int64_t begin, end;
};
inline Piece piece_of(int64_t count, int64_t grain, int64_t piece, int64_t pieces) {
  const int64_t grains = (count + grain - 1) / grain;
  return {grains * piece / pieces * grain, std::min(count, grains * (piece + 1) / pieces * grain)};
}

// Calls body(piece, begin, end) for contiguous pieces of [0, count), each but the last a multiple
// of `grain` long, on up to `threads` threads; `piece` counts from 0. `body` must not throw.
template <typename Body>
void parallel_pieces(int threads, int64_t count, int64_t grain, const Body& body) {
  const int64_t grains = (count + grain - 1) / grain;
  const int pieces = static_cast<int>(std::min<int64_t>(threads, grains));
  if (pieces <= 1) {
    if (count > 0) body(0, int64_t{0}, count);
    return;
  }
#pragma omp parallel num_threads(pieces)
  {
    const int piece = omp_get_thread_num();
    const auto [begin, end] = piece_of(count, grain, piece, omp_get_num_threads());
    if (begin < end) body(piece, begin, end);
  }
}

// The same with body(begin, end).
template <typename Body>
void parallel_for(int threads, int64_t count, int64_t grain, const Body& body) {
  parallel_pieces(threads, count, grain,
                  [&body](int, int64_t begin, int64_t end) { body(begin, end); });
}

// Calls body(begin, n) for pieces of [0, count), n elements from `begin` on, that stay in the
// first-level cache when a few arrays are walked several times.
template <typename Body>
void in_pieces(int threads, int64_t count, const Body& body) {
  static constexpr int64_t kPiece = 1024;
  parallel_for(threads, count, kPiece, [&body](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; at += kPiece) body(at, std::min(kPiece, end - at));
  });
}

}  // namespace sluice::backend::cpu
