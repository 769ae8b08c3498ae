#include "data/array_records.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace sluice::data {
namespace {

constexpr size_t kFloatsAtOnce = size_t{1} << 20;

std::vector<int64_t> without_ones(std::span<const int64_t> sizes) {
  std::vector<int64_t> rest;
  std::ranges::copy_if(sizes, std::back_inserter(rest), [](int64_t size) { return size != 1; });
  return rest;
}

// How many records an array has, and of which sizes.
struct Records {
  uint64_t count;
  std::vector<int64_t> sizes;
};
std::optional<Records> records_of(const Shape& array, const Shape& record) {
  const std::vector<int64_t>& sizes = array.dims();
  const std::vector<int64_t> wanted = without_ones(record.dims());
  if (array == record) return Records{1, sizes};
  if (!sizes.empty()) {
    const auto behind = std::span(sizes).subspan(1);
    if (without_ones(behind) == wanted) {
      return Records{static_cast<uint64_t>(sizes.front()), {behind.begin(), behind.end()}};
    }
  }
  if (without_ones(sizes) == wanted) return Records{1, sizes};
  return std::nullopt;
}

}  // namespace

ArrayRecords::ArrayRecords(std::string path, Shape record, RowSink sink, size_t least_floats,
                           std::optional<uint64_t> file_size)
    : path_(std::move(path)),
      record_(std::move(record)),
      sink_(std::move(sink)),
      least_floats_(least_floats),
      file_size_(file_size) {}

Status ArrayRecords::begin() {
  SLUICE_ASSIGN_OR_RETURN(header_, parse_npy_header(path_, pending_));
  if (!header_) return ok_status();
  const auto records = records_of(header_->shape, record_);
  if (!records) {
    return invalid_argument(
        fmt::format("{}: an array {}, but the model takes {} (behind the records)", path_,
                    header_->shape.to_string(), record_.to_string()));
  }
  if (records->count == 0) return invalid_argument(path_ + ": an array of no records");
  if (file_size_ && *file_size_ - header_->size != header_->numbers_size) {
    return wrong_npy_size(path_, *header_, *file_size_ - header_->size);
  }
  records_ = records->count;
  sizes_ = records->sizes;
  if (header_->is_fortran) {
    SLUICE_ASSIGN_OR_RETURN(fortran_, core::TempFile::create());
  }
  return take(std::exchange(pending_, {}).substr(header_->size));
}

Status ArrayRecords::feed(std::string_view bytes) {
  if (header_) return take(bytes);
  pending_.append(bytes);
  return begin();
}

Status ArrayRecords::take(std::string_view bytes) {
  taken_ += bytes.size();
  if (taken_ > header_->numbers_size) return wrong_npy_size(path_, *header_, taken_);
  if (fortran_) return fortran_->write(std::as_bytes(std::span(bytes)));
  pending_.append(bytes);
  const bool is_last = taken_ == header_->numbers_size;
  const bool is_enough = pending_.size() / header_->number_bytes >= least_floats_;
  return is_last || is_enough ? sink_pending() : ok_status();
}

Status ArrayRecords::sink_pending() {
  const auto row = static_cast<size_t>(record_.size());
  const size_t record_bytes = row * header_->number_bytes;
  const size_t whole = pending_.size() / record_bytes;
  const size_t at_once = std::max<size_t>(1, kFloatsAtOnce / row);
  std::vector<float> rows;
  for (size_t begin = 0; begin < whole; begin += at_once) {
    rows.resize(std::min(at_once, whole - begin) * row);
    header_->read(pending_.data() + begin * record_bytes, rows);
    SLUICE_RETURN_IF_ERROR(sink_(rows));
  }
  pending_.erase(0, whole * record_bytes);
  return ok_status();
}

Status ArrayRecords::sink_fortran() {
  SLUICE_ASSIGN_OR_RETURN(const auto mapped, fortran_->map());
  const auto* bytes = reinterpret_cast<const char*>(mapped->bytes().data());
  const std::vector<size_t> places = fortran_places(sizes_);
  const size_t at_once = std::max<size_t>(1, kFloatsAtOnce / places.size());
  std::vector<float> rows, of_place;
  for (size_t begin = 0; begin < records_; begin += at_once) {
    const size_t count = std::min<size_t>(at_once, records_ - begin);
    rows.resize(count * places.size());
    of_place.resize(count);
    for (size_t p = 0; p < places.size(); ++p) {
      header_->read(bytes + (places[p] * records_ + begin) * header_->number_bytes, of_place);
      for (size_t i = 0; i < count; ++i) rows[i * places.size() + p] = of_place[i];
    }
    SLUICE_RETURN_IF_ERROR(sink_(rows));
  }
  return ok_status();
}

Status ArrayRecords::finish() {
  if (!header_) return data_loss(path_ + ": a .npy file that ends within its header");
  if (taken_ != header_->numbers_size) return wrong_npy_size(path_, *header_, taken_);
  return fortran_ ? sink_fortran() : ok_status();
}

}  // namespace sluice::data
