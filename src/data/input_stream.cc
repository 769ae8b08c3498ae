// What comes through pipes.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "data/array_records.h"
#include "data/file_kind.h"
#include "data/input_picture.h"
#include "data/inputs.h"
#include "data/picture.h"

namespace sluice::data {
namespace {

// Of a picture, which is decoded as a whole.
constexpr size_t kMostPictureBytes = size_t{1} << 28;

}  // namespace

InputStream::InputStream(std::string name, InputFormat format, RowSink sink)
    : name_(std::move(name)), format_(std::move(format)), sink_(std::move(sink)) {}

InputStream::~InputStream() = default;

// A line of text is enough, so that it need not wait for the next one. Of other kinds only PNG and
// HDF5 have the end of a line so early, behind a 0x89.
bool InputStream::are_enough() const {
  if (bytes_.size() >= kKindBytes) return true;
  const size_t end = bytes_.find('\n');
  return end != bytes_.npos && may_be_text(bytes_) && file_kind(bytes_) == "text" &&
         static_cast<unsigned char>(bytes_[0]) != 0x89;
}

Status InputStream::begin() {
  has_begun_ = true;
  if (is_npy(bytes_)) {
    kind_ = InputKind::kArray;
    array_ = std::make_unique<ArrayRecords>(name_, format_.shape, sink_, 1, std::nullopt);
    return array_->feed(std::exchange(bytes_, {}));
  }
  if (is_picture(bytes_)) {
    kind_ = InputKind::kPicture;
    return ok_status();
  }
  const std::string kind = file_kind(bytes_);
  if (kind == "text") {
    lines_ = std::make_unique<InputLines>(name_, format_, sink_);
    return lines_->feed(std::exchange(bytes_, {}));
  }
  const bool is_file = kind == "IDX images" || kind == "gzip";
  return invalid_argument(
      fmt::format("{}: expected .npy, lines of CSV or JSON, JPEG or PNG, found {}{}", name_, kind,
                  is_file ? ": give the file by its name" : ""));
}

Status InputStream::feed(std::string_view bytes) {
  if (array_) return array_->feed(bytes);
  if (lines_) return lines_->feed(bytes);
  bytes_.append(bytes);
  if (!has_begun_) return are_enough() ? begin() : ok_status();
  if (bytes_.size() <= kMostPictureBytes) return ok_status();
  return invalid_argument(
      fmt::format("{}: a picture of more than {} MiB", name_, kMostPictureBytes >> 20));
}

Status InputStream::finish() {
  if (!has_begun_ && !bytes_.empty()) SLUICE_RETURN_IF_ERROR(begin());
  if (array_) return array_->finish();
  if (lines_) return lines_->finish();
  return bytes_.empty() ? ok_status() : read_picture_input(name_, bytes_, format_, sink_);
}

}  // namespace sluice::data
