// Weights of records from a file of their own, for data that has no columns: one number a record,
// in the records' order.
//
//   a .npy file   a vector of numbers, [n] or [n, 1], as numpy.save() writes it (data/npy.h)
//   any other     a number a line; the first line may be a column's name. gzip will do
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/status.h"

namespace sluice::data {

// INVALID_ARGUMENT, naming the file and the line or record: not such a file, another count than
// `records`, or a weight that is not finite and at least 0; DATA_LOSS: a .npy file that is cut
// short. Others as InputFile::open().
Result<std::vector<float>> read_weights(const std::string& path, int64_t records);

}  // namespace sluice::data
