// Sluice's checkpoint file: a model's architecture and weights.
//
//   offset  bytes
//        0      8  "SLUICECK"
//        8      4  format version, 1
//       12      4  h, bytes of the header
//       16      8  d, bytes of the data
//       24      h  header, JSON: {"architecture": Keras' model JSON,
//                                 "variables": [{"name", "shape", "offset"}, ...],
//                                 "preprocessing": as Preprocessing has it, where it is known},
//                                 offset in floats
//                  zeros up to a multiple of 64
//                d  data: all variables, float32, in the layout of core/parameter_set.h
//                4  CRC-32 (zlib's) of everything before it
//
// Little-endian. Written to a new file that then replaces the old one, so a file is whole or
// absent.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/atomic_file.h"
#include "core/parameter_set.h"
#include "sluice/model.h"
#include "sluice/status.h"

namespace sluice::formats {

// Of the file that write_checkpoint() makes.
uint64_t checkpoint_bytes(const Model& model);

// As core::OutputFile::write().
Status write_checkpoint(core::OutputFile& file, const Model& model);

// Whether a file begins as one.
bool is_checkpoint(std::string_view file);

// Throws RuntimeError for a file that is cut short or changed, or of a newer format; and as
// Model::from_json().
Model parse_checkpoint(std::span<const char> file);

// FAILED_PRECONDITION, saying where they differ, unless both list the same variables.
Status check_same_layout(const core::ParameterLayout& file, const core::ParameterLayout& model);

}  // namespace sluice::formats
