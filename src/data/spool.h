// Records that arrive piece by piece, kept in an unnamed temporary file and mapped when complete:
// a CSV file being read, or a partition that a worker receives as a stream.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/mapped_file.h"
#include "data/records.h"
#include "sluice/status.h"

namespace sluice::data {

class RecordsSpool {
 public:
  // `info` describes a record; its count is ignored. Fails as TempFile::create() does.
  static Result<RecordsSpool> create(RecordsInfo info);

  // Appends labels.size() records. INVALID_ARGUMENT when the features are not as many bytes as
  // that, or, naming the record, a label is not in [0, classes); RESOURCE_EXHAUSTED when the disk
  // is full.
  Status append(std::span<const std::byte> features, std::span<const int32_t> labels);

  int64_t records() const { return static_cast<int64_t>(labels_.size()); }

  // Everything appended so far, as `info` describes it. Nothing more may be appended afterwards.
  Result<std::shared_ptr<const Records>> finish();

 private:
  RecordsSpool(RecordsInfo info, TempFile file) : info_(std::move(info)), file_(std::move(file)) {}

  RecordsInfo info_;
  TempFile file_;
  std::vector<int32_t> labels_;
};

}  // namespace sluice::data
