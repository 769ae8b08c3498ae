#include "data/csv.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/file_io.h"
#include "core/real_world.h"
#include "core/rng.h"
#include "data/csv_cells.h"
#include "data/csv_classes.h"
#include "data/csv_header.h"
#include "data/csv_rows.h"
#include "data/gzip.h"
#include "data/spool.h"

namespace sluice::data {
namespace {

constexpr size_t kImage = 28 * 28;           // as many features are one
constexpr uint64_t kPartOf = 7;              // one of so many records is in the test part
constexpr const char* kTrainPart = "train";  // RecordsSource::part
constexpr const char* kTestPart = "test";

// Whether a record of a file that is read in two parts is in the second.
class Draw {
 public:
  explicit Draw(uint64_t seed) : seed_(seed) {}

  bool is_test(uint64_t record) {
    const uint64_t block = record / kPartOf;
    if (record % kPartOf == 0) {
      constexpr char kStream[] = "test part";
      core::Rng rng(seed_, {core::stream_of(kStream, sizeof(kStream) - 1), block});
      // Of the first block one of the first two, so that two records are enough.
      drawn_ = block * kPartOf + rng.below(block == 0 ? 2 : kPartOf);
    }
    return record == drawn_;
  }

 private:
  const uint64_t seed_;
  uint64_t drawn_ = 0;
};

// What is asked of a file.
struct Request {
  CsvOptions options{};
  const RecordsInfo* like = nullptr;
  OtherColumns others = OtherColumns::kRefused;  // that `like` does not have
  std::optional<uint64_t> draw{};  // the seed, when it is read in two parts
  std::string part{};              // the only one that is wanted, of two; empty: all that there are
};

// A file as records of one element type.
class CsvReader {
 public:
  CsvReader(const core::InputFile& file, const Request& request, Element element)
      : path_(file.path()),
        request_(request),
        element_(element),
        classes_(request.like != nullptr ? CsvClasses::like(*request.like) : CsvClasses()),
        draw_(request.draw.value_or(0)) {
    if (request.part.empty() && !request.draw) {
      wanted_ = {""};
    } else if (request.part.empty()) {
      wanted_ = {kTrainPart, kTestPart};
    } else {
      wanted_ = {request.part};
    }
    info_.name = std::filesystem::path(path_).filename().string();
    info_.origin = path_;
    info_.element = element;
    info_.source = {.kind = "csv",
                    .files = {{core::absolute_path(path_), file.stamp()}},
                    .seed = request.draw.value_or(0)};
  }

  // A row: the header, or a record. When a feature is not of the element type, wrong_element() is
  // true afterwards.
  Status take(int64_t line, std::span<const std::string_view> cells) {
    return header_.columns.empty() ? take_header(cells) : take_record(line, cells);
  }

  bool wrong_element() const { return wrong_element_; }

  // The parts that were asked for, in their order.
  Result<std::vector<std::shared_ptr<const Records>>> finish() {
    if (header_.columns.empty()) return wrong("expected a header line, found an empty file");
    if (records_ == 0) return wrong("expected records below the header, found none");
    if (request_.draw && records_ < 2) {
      return wrong("expected at least 2 records, to train and to test with, found 1");
    }
    if (const int64_t odd = classes_.odd_line()) {
      return bad_value(odd, header_.target, classes_.odd(),
                       fmt::format("a class number from 0 to {} or a name (numbers are predicted "
                                   "with the loss mse and a model of one output)",
                                   kMaxClasses - 1));
    }
    std::optional<CsvClasses::Known> known;
    if (info_.classes > 0 && request_.like == nullptr) known = classes_.finish();
    std::vector<std::shared_ptr<const Records>> parts;
    for (RecordsSpool& spool : spools_) {
      if (known) spool.relabel(known->numbers, known->count);
      SLUICE_ASSIGN_OR_RETURN(auto records, spool.finish());
      RecordsInfo info = records->info();
      if (known) info.table.class_names = known->names;
      if (info.classes > 0 && request_.like != nullptr) {
        info.classes = std::max(classes_of(*records), request_.like->classes);
      }
      info.source.part = wanted_[parts.size()];
      parts.push_back(records->with_info(std::move(info)));
    }
    return parts;
  }

 private:
  static int classes_of(const Records& records) {
    const auto& names = records.info().table.class_names;
    if (!names.empty()) return static_cast<int>(names.size());
    const auto labels = records.labels();
    return labels.empty() ? 1 : *std::max_element(labels.begin(), labels.end()) + 1;
  }

  Status take_header(std::span<const std::string_view> cells) {
    SLUICE_ASSIGN_OR_RETURN(
        header_, read_csv_header(path_, cells, request_.options.target, request_.options.ignored,
                                 request_.options.weights, request_.like, request_.others));
    info_.table.target = request_.options.target;
    info_.table.ignored = request_.options.ignored;
    if (header_.weighted) info_.table.weights = request_.options.weights;
    info_.table.columns = header_.features;
    return start_records();
  }

  Status start_records() {
    const size_t n = header_.features.size();
    info_.sample_shape = n == kImage ? Shape{28, 28, 1} : Shape{static_cast<int64_t>(n)};
    info_.scale = n == kImage && element_ == Element::kUint8 ? 1.0f / 255.0f : 1.0f;
    info_.classes = kMaxClasses;
    if (request_.like != nullptr) {
      info_.sample_shape = request_.like->sample_shape;
      info_.scale = request_.like->scale;
      info_.table.class_names = request_.like->table.class_names;
    }
    if (request_.options.means == CsvOptions::Means::kNumbers) {
      info_.classes = 0;
      info_.values = 1;
    }
    row_.resize(n * element_size(element_));
    for (size_t i = 0; i < wanted_.size(); ++i) {
      SLUICE_ASSIGN_OR_RETURN(auto spool, RecordsSpool::create(core::real_world().disk(), info_));
      spools_.push_back(std::move(spool));
    }
    return ok_status();
  }

  // Where the next record goes; nullptr: nowhere.
  RecordsSpool* part_of_next() {
    const auto record = static_cast<uint64_t>(records_++);
    if (!request_.draw) return &spools_[0];
    const char* const part = draw_.is_test(record) ? kTestPart : kTrainPart;
    for (size_t i = 0; i < wanted_.size(); ++i) {
      if (wanted_[i] == part) return &spools_[i];
    }
    return nullptr;
  }

  Status take_record(int64_t line, std::span<const std::string_view> cells) {
    if (cells.size() != header_.columns.size()) {
      return wrong(fmt::format("line {}: expected {} columns as in the header, found {}", line,
                               header_.columns.size(), cells.size()));
    }
    RecordsSpool* const spool = part_of_next();
    if (spool == nullptr) return ok_status();
    int32_t label = 0;
    float value = 0, weight = 1;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (header_.slots[i] == CsvHeader::kIgnored) continue;
      if (header_.slots[i] == CsvHeader::kWeight) {
        const auto number = to_float(cells[i]);
        if (!number || *number < 0) return bad_number(line, i, cells[i], "a weight, at least 0");
        weight = *number;
      } else if (header_.slots[i] != CsvHeader::kTarget) {
        if (!take_feature(cells[i], header_.slots[i])) return bad_feature(line, i, cells[i]);
      } else if (info_.classes == 0) {
        const auto number = to_float(cells[i]);
        if (!number) return bad_number(line, i, cells[i], "a number to predict");
        value = *number;
      } else {
        const auto id = classes_.add(cells[i], line);
        if (!id.ok()) return bad_value(line, i, cells[i], id.status().message());
        label = *id;
      }
    }
    Targets targets;
    if (header_.weighted) targets.weights = {&weight, 1};
    if (info_.classes == 0) {
      targets.values = {&value, 1};
    } else {
      targets.labels = {&label, 1};
    }
    return spool->append(row_, targets);
  }

  bool take_feature(std::string_view cell, size_t slot) {
    if (element_ == Element::kUint8) {
      const auto byte = to_whole(cell, 255);
      if (byte) reinterpret_cast<uint8_t*>(row_.data())[slot] = static_cast<uint8_t>(*byte);
      return byte.has_value();
    }
    const auto number = to_float(cell);
    if (number) reinterpret_cast<float*>(row_.data())[slot] = *number;
    return number.has_value();
  }

  // Of a column of text, the first record's is none already.
  Status bad_feature(int64_t line, size_t column, std::string_view cell) {
    wrong_element_ = element_ == Element::kUint8;
    const bool hint = records_ == 1 && !cell.empty() && !is_beyond_float(cell);
    return bad_number(line, column, cell, "a number",
                      hint ? ": a column that is no feature can be ignored (--ignore)" : "");
  }

  Status bad_number(int64_t line, size_t column, std::string_view cell, std::string expected,
                    std::string_view hint = "") const {
    if (is_beyond_float(cell)) expected += " that fits into float32 (3.4e38 at most)";
    return bad_value(line, column, cell, expected,
                     has_decimal_comma(cell) ? ": write it with a point" : hint);
  }

  Status bad_value(int64_t line, size_t column, std::string_view cell, std::string_view expected,
                   std::string_view hint = "") const {
    return wrong(fmt::format("line {}, column {} ({}): expected {}, found {}{}", line, column + 1,
                             excerpt(header_.columns[column]), expected, excerpt(cell), hint));
  }

  Status wrong(std::string_view what) const {
    return invalid_argument(fmt::format("{}: {}", path_, what));
  }

  const std::string& path_;
  const Request& request_;
  const Element element_;
  CsvClasses classes_;
  Draw draw_;
  std::vector<std::string> wanted_;   // parts
  std::vector<RecordsSpool> spools_;  // one for each
  RecordsInfo info_;
  CsvHeader header_;            // without columns until it has been read
  std::vector<std::byte> row_;  // the features of a record
  int64_t records_ = 0;         // in the file
  bool wrong_element_ = false;
};

using RecordsParts = std::vector<std::shared_ptr<const Records>>;

// Bytes are tried first, and floats taken from the first record on at the first value that is none.
Result<RecordsParts> read_as(const core::InputFile& file, const Request& request, Element element) {
  CsvReader reader(file, request, element);
  std::optional<CsvRows> rows;
  const Status status = read_maybe_gzip(file, [&](std::span<const std::byte> piece) -> Status {
    const std::string_view text(reinterpret_cast<const char*>(piece.data()), piece.size());
    if (!rows) {
      if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
        return invalid_argument(file.path() + ": is written in UTF-16: save it as UTF-8");
      }
      rows.emplace(file.path(), find_separator(text),
                   [&](int64_t line, auto cells) { return reader.take(line, cells); });
    }
    return rows->feed(text);
  });
  if (reader.wrong_element()) return read_as(file, request, Element::kFloat32);
  SLUICE_RETURN_IF_ERROR(status);
  if (rows) {
    const Status end = rows->finish();
    if (reader.wrong_element()) return read_as(file, request, Element::kFloat32);
    SLUICE_RETURN_IF_ERROR(end);
  }
  return reader.finish();
}

Result<RecordsParts> read_file(const std::string& path, const Request& request) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, core::InputFile::open(path));
  return read_as(*file, request, request.like != nullptr ? request.like->element : Element::kUint8);
}

Request request_like(const RecordsInfo& like, OtherColumns others) {
  Request request;
  request.others = others;
  request.options.target = like.table.target;
  request.options.ignored = like.table.ignored;
  request.options.weights = like.table.weights;
  // Which they may have been for the other.
  std::erase(request.options.ignored, like.table.weights);
  std::erase(request.options.ignored, like.table.target);
  request.options.means =
      like.classes == 0 ? CsvOptions::Means::kNumbers : CsvOptions::Means::kClasses;
  request.like = &like;
  return request;
}

}  // namespace

Result<std::shared_ptr<const Records>> read_csv(const std::string& path,
                                                const CsvOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(auto parts, read_file(path, {.options = options}));
  return parts[0];
}

Result<TrainTestRecords> read_csv_parts(const std::string& path, const CsvOptions& options,
                                        uint64_t seed, const RecordsInfo* like,
                                        OtherColumns others) {
  Request request{.options = options};
  if (like != nullptr) request = request_like(*like, others);
  request.draw = seed;
  SLUICE_ASSIGN_OR_RETURN(auto parts, read_file(path, request));
  return std::pair(parts[0], parts[1]);
}

Result<std::shared_ptr<const Records>> read_csv_like(const std::string& path,
                                                     const RecordsInfo& like, OtherColumns others) {
  Request request = request_like(like, others);
  request.part = like.source.part;
  if (!request.part.empty()) request.draw = like.source.seed;
  SLUICE_ASSIGN_OR_RETURN(auto parts, read_file(path, request));
  return parts[0];
}

}  // namespace sluice::data
