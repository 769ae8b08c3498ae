// Sluice's checkpoint file: a model's architecture and weights.
//
//   offset  bytes
//        0      8  "SLUICECK"
//        8      4  format version, 1
//       12      4  h, bytes of the header
//       16      8  d, bytes of the data
//       24      h  header, JSON: {"architecture": Keras' model JSON,
//                                 "variables": [{"name", "shape", "offset"}, ...]}, offset in
//                                 floats
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

struct Checkpoint {
  std::string architecture;  // JSON, for Model::from_json()
  core::ParameterSet parameters;
};

// INVALID_ARGUMENT for a name that says another format: a model.keras that Keras cannot read would
// only be found out where it is needed.
Status check_checkpoint_name(const std::string& path);

// Of the file that write_checkpoint() makes.
uint64_t checkpoint_bytes(const std::string& architecture, const core::ParameterLayout& layout);

// As check_checkpoint_name(); otherwise as core::OutputFile::write().
Status write_checkpoint(const std::string& path, const std::string& architecture,
                        const core::ParameterSet& parameters);
Status write_checkpoint(core::OutputFile& file, const std::string& architecture,
                        const core::ParameterSet& parameters);

// Whether a file begins as one.
bool is_checkpoint(std::string_view file);

// DATA_LOSS for a file that is cut short, changed or no checkpoint at all, FAILED_PRECONDITION for
// a newer format; when it cannot be read, as core::read_file().
Result<Checkpoint> read_checkpoint(const std::string& path);
// The same of a file that has been read; `path` names it in messages.
Result<Checkpoint> parse_checkpoint(const std::string& path, std::span<const char> file);

// As load_model(), of a file that has been read.
Model parse_model(const std::string& path, std::span<const char> file);

// FAILED_PRECONDITION, saying where they differ, unless both list the same variables.
Status check_same_layout(const core::ParameterLayout& file, const core::ParameterLayout& model);

}  // namespace sluice::formats
