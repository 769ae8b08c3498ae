// How an update is made smaller on its way: what people write, and how many bytes come of it.
//
//   text        bytes a value  error of a value x, of which M is the largest |x| of its group
//   none        4              none
//   fp16        2              |x| / 2048, at least 2^-25; beyond 65504: what is beyond
//   bf16        2              |x| / 256
//   int8        1.008          M / 254: a float's scale and a byte each, in groups of 512
//   1bit        0.141          how far the mean of its side of zero is, in groups of 512
//   topk:0.01   0.030          |x| / 256 of the chosen, all of the others, in blocks of 2048
//   topk:0.1    0.265          likewise
//
// What is not sent is kept and sent later: error feedback. The sender has one residual r for every
// value v, zero in the beginning, and sends the code of x = v + r:
//
//   x = v + r        code = C(x)        r = x - D(code)
//
// so that all that was decoded plus r is all that was to be sent, but for the rounding of v + r.
// Without it, signs alone and the largest values alone do not converge to the right place; with it,
// any C that takes off a part of x's length does (Karimireddy et al., "Error Feedback Fixes SignSGD
// and other Gradient Compression Schemes", 2019).
//
//   1bit   Seide, Fu, Droppo, Li, Yu, "1-Bit Stochastic Gradient Descent and its Application to
//          Data-Parallel Distributed Training of Speech DNNs", 2014. Their groups are the columns
//          of a matrix.
//   topk   Stich, Cordonnier, Jaggi, "Sparsified SGD with Memory", 2018; Lin, Han, Mao, Wang,
//          Dally, "Deep Gradient Compression", 2018 (without its correction of momentum). They
//          choose among all values; here each block sends its own largest, so that blocks are
//          coded and decoded apart, and none of a model's layers starves.
//
// Values of one type are copied freely and belong to no thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "sluice/status.h"

namespace sluice::compression {

// Values that are coded together. The code of many is the codes of their blocks behind one another,
// without anything between: all but the last are of kBlock values, and so of one size.
inline constexpr size_t kBlock = 2048;
// Values of a block that share what is sent once: a scale or two means.
inline constexpr size_t kGroup = 512;

struct Compression {
  enum class Kind { kNone, kFp16, kBf16, kInt8, kOneBit, kTopK };

  // Of topk's fraction. A block sends at least one value, and half of the values, with where they
  // are, take more than int8 takes for all.
  static constexpr double kLeastFraction = 0.0005, kMostFraction = 0.5;

  Kind kind = Kind::kNone;
  double fraction = 0;  // of the values that topk sends; 0 for all others

  // From "none", "fp16", "bf16", "int8", "1bit" or "topk:0.01", in any case.
  // INVALID_ARGUMENT: anything else.
  static Result<Compression> parse(std::string_view text);

  // Whether parse() makes such a one.
  bool is_valid() const;

  // As parse() reads it. Of a valid one.
  std::string to_string() const;

  // Of a block of `values`, that topk sends: at least 1. values > 0.
  size_t chosen(size_t values) const;

  friend bool operator==(const Compression&, const Compression&) = default;
};

// The bytes that `values` values take, exactly; none take none. Of a multiple of kBlock it is also
// where, in the code of more values, the block behind them begins.
size_t encoded_bytes(const Compression& compression, size_t values);

}  // namespace sluice::compression
