// Reads records from a CSV file, as Dist-Keras' MNIST example has them.
//
//   label,p0,p1,...,p783        a header; the column named "label" may be anywhere
//   5,0,0,...,0                 one record a line: a class number from 0 and its features
//
// Features that are all whole numbers from 0 to 255 are kept as bytes, otherwise as floats. 784
// features are an image: shape [28, 28, 1], and bytes are scaled by 1/255. Any other number n has
// shape [n] and its values as they are written. Names may be quoted; numbers may not. Lines may end
// in \r\n, empty lines are skipped. The file may be compressed with gzip. Features go into an
// unnamed temporary file that is mapped, so a file may be larger than memory.
#pragma once

#include <memory>
#include <string>

#include "data/records.h"
#include "sluice/status.h"

namespace sluice::data {

// Labels are below this, so that a mistaken column does not ask for a million output units.
inline constexpr int kMaxClasses = 65536;

// The name is the file's, the classes are the largest label + 1.
// NOT_FOUND: no such file. INVALID_ARGUMENT: not such a file, naming the line and, where it is one
// value that is wrong, the column. RESOURCE_EXHAUSTED: no room for the temporary file.
Result<std::shared_ptr<const Records>> read_csv(const std::string& path);

// Reads a file that goes with another: its features are kept as `like` keeps them. INVALID_ARGUMENT
// also when the number of features differs, or bytes are expected and something else is found.
Result<std::shared_ptr<const Records>> read_csv_like(const std::string& path,
                                                     const RecordsInfo& like);

}  // namespace sluice::data
