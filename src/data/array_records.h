// The records of a .npy file, whose bytes come piece by piece.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/mapped_file.h"
#include "data/inputs.h"
#include "data/npy.h"

namespace sluice::data {

class ArrayRecords {
 public:
  // An array [n, record...], or [record...], where axes of size 1 may be missing or surplus.
  // `least_floats`: how many are worth a call of the sink, until the last ones come. `file_size`:
  // how many bytes will come, where that is known.
  ArrayRecords(std::string path, Shape record, RowSink sink, size_t least_floats,
               std::optional<uint64_t> file_size);

  Status feed(std::string_view bytes);
  // Behind the last bytes. DATA_LOSS when there should have been others.
  Status finish();

 private:
  Status begin();
  Status take(std::string_view bytes);
  Status sink_pending();
  // The whole array, in Fortran's order: as it comes it is put into a temporary file.
  Status sink_fortran();

  const std::string path_;
  const Shape record_;
  const RowSink sink_;
  const size_t least_floats_;
  const std::optional<uint64_t> file_size_;
  std::string pending_;  // of the header, or of records
  std::optional<NpyHeader> header_;
  std::optional<core::TempFile> fortran_;
  std::vector<int64_t> sizes_;  // of a record, as the array has them
  uint64_t records_ = 0;
  uint64_t taken_ = 0;  // bytes behind the header
};

}  // namespace sluice::data
