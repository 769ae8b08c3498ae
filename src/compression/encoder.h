// Makes an update smaller, and keeps what that takes away. See compression.h for what is sent.
#pragma once

#include <cstddef>
#include <span>

#include "compression/compression.h"

namespace sluice::compression {

// Adds `values` to `residual`, writes the code of the sums into `into`, and leaves in `residual`
// what the code does not tell: sum - decoded, to the bit what the receiver decodes. With kNone all
// is sent, and the residual is zero.
//
// `residual` is as long as `values` and overlaps nothing; `into` has encoded_bytes() of them, at
// any address. The same input makes the same bytes on every machine, whatever its instruction set.
// A part that begins at a multiple of kBlock is coded by itself, as by another thread: into the
// bytes from encoded_bytes(its begin) on.
//
// A sum that is not finite is sent, so that the job's loss tells what it would have told without
// compression, and is never kept: its residual is zero afterwards.
//   fp16, bf16   the value itself, an infinity or a NaN
//   int8, 1bit   NaN for its whole group, which has zero residuals afterwards; 1bit too where the
//                sum of a side overflows
//   topk         the value itself: it counts as larger than any other, NaN than infinity
// Otherwise what is decoded is finite: fp16 and bf16 send the largest that they have for what is
// larger. A zero's sign is lost.
//
// Allocates nothing. Cost: two passes over a block that stays in the first-level cache; topk
// a dozen more.
void encode(const Compression& compression, std::span<const float> values,
            std::span<float> residual, std::span<std::byte> into);

}  // namespace sluice::compression
