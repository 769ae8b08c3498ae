#include "data/csv.h"

#include <locale.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/file_io.h"
#include "core/real_world.h"
#include "core/rng.h"
#include "data/csv_rows.h"
#include "data/gzip.h"
#include "data/spool.h"

namespace sluice::data {
namespace {

constexpr size_t kImage = 28 * 28;           // as many features are one
constexpr uint64_t kPartOf = 7;              // one of so many records is in the test part
constexpr const char* kTrainPart = "train";  // RecordsSource::part
constexpr const char* kTestPart = "test";

// The bytes of the character in UTF-8 that a text begins with; 0: none that can be shown.
size_t shown_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return first >= ' ' && first != 0x7F ? 1 : 0;
  const size_t bytes = first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  if (bytes == 0 || bytes > text.size()) return 0;
  for (size_t i = 1; i < bytes; ++i) {
    if (byte(i) >> 6 != 2) return 0;
  }
  return first == 0xC2 && byte(1) < 0xA0 ? 0 : bytes;  // U+0080 to U+009F are controls
}

// As it can be shown inside a one-line message.
std::string excerpt(std::string_view text) {
  constexpr size_t kMostCharacters = 24;
  std::string out;
  for (size_t characters = 0; !text.empty() && characters < kMostCharacters; ++characters) {
    const size_t bytes = shown_character(text);
    out += bytes == 0 ? "?" : text.substr(0, bytes);
    text.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return "\"" + out + (text.empty() ? "\"" : "...\"");
}

// As Python's float() reads it; infinite where it is too large, nullopt where it is no number.
std::optional<double> to_number(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (rest != end) return {};
  if (error == std::errc::result_out_of_range) {
    // Too large or too small, which from_chars does not say; with a point in every locale.
    static const locale_t kC = ::newlocale(LC_ALL_MASK, "C", nullptr);
    return ::strtod_l(std::string(text).c_str(), nullptr, kC);
  }
  if (error != std::errc()) return {};
  return value;
}

std::optional<float> to_float(std::string_view text) {
  const auto number = to_number(text);
  const auto value = static_cast<float>(number.value_or(NAN));
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

// A whole number from 0 to most, however it is written.
std::optional<int> to_whole(std::string_view text, int most) {
  unsigned digits = 0, whole = 0;
  for (; digits < std::min<size_t>(text.size(), 9); ++digits) {
    const auto digit = static_cast<unsigned char>(text[digits] - '0');
    if (digit > 9) break;
    whole = 10 * whole + digit;
  }
  if (digits > 0 && digits == text.size()) {
    return whole <= static_cast<unsigned>(most) ? std::optional(static_cast<int>(whole))
                                                : std::nullopt;
  }
  const double number = to_number(text).value_or(-1);
  if (!(number >= 0 && number <= most) || number != std::floor(number)) return {};
  return static_cast<int>(number);
}

// The classes that the target column names.
class Classes {
 public:
  Classes() = default;
  // Those of another file: names, or none, which means numbers.
  static Classes like(const RecordsInfo& other) {
    Classes classes;
    classes.like_ = &other;
    return classes;
  }

  // A number for the class in this cell: final where there is another file, else one of those that
  // finish() translates. Or what was expected instead of it.
  Result<int32_t> add(std::string_view cell, int64_t line) {
    auto known = ids_.find(cell);
    if (known != ids_.end()) return known->second;
    if (cell.empty()) return invalid_argument("a class");
    auto id = static_cast<int32_t>(ids_.size());
    if (like_ != nullptr) {
      SLUICE_ASSIGN_OR_RETURN(id, in_other_file(cell));
    } else if (id == kMaxClasses) {
      return invalid_argument("at most " + std::to_string(kMaxClasses) + " different classes");
    } else if (to_whole(cell, kMaxClasses - 1)) {
      // a class number so far
    } else if (!to_float(cell)) {
      named_ = true;
    } else if (odd_line_ == 0) {
      odd_line_ = line;
      odd_ = cell;
    }
    ids_.emplace(cell, id);
    return id;
  }

  struct Known {
    std::vector<int32_t> numbers;  // by the ids that add() gave
    std::vector<std::string> names;
    int count = 0;
  };
  // The line of a value that is a number but no class number, where there are no names; else 0.
  int64_t odd_line() const { return named_ ? 0 : odd_line_; }
  const std::string& odd() const { return odd_; }

  Known finish() const {
    Known known;
    known.numbers.resize(ids_.size());
    int32_t rank = 0;
    for (const auto& [name, id] : ids_) {  // in sorted order
      const int32_t number = named_ ? rank++ : *to_whole(name, kMaxClasses - 1);
      known.numbers[static_cast<size_t>(id)] = number;
      known.count = std::max(known.count, number + 1);
      if (named_) known.names.push_back(name);
    }
    return known;
  }

 private:
  Result<int32_t> in_other_file(std::string_view cell) const {
    const auto& names = like_->table.class_names;
    if (names.empty()) {
      if (const auto number = to_whole(cell, kMaxClasses - 1)) return int32_t{*number};
      return invalid_argument("a class number from 0 to " + std::to_string(kMaxClasses - 1) +
                              " as in " + like_->origin);
    }
    const auto at = std::lower_bound(names.begin(), names.end(), cell);
    if (at != names.end() && *at == cell) return static_cast<int32_t>(at - names.begin());
    return invalid_argument("one of the classes of " + like_->origin + " (" + list_names(names) +
                            ")");
  }

  const RecordsInfo* like_ = nullptr;
  std::map<std::string, int32_t, std::less<>> ids_;
  bool named_ = false;  // some value is no number: all are names
  int64_t odd_line_ = 0;
  std::string odd_;
};

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
        classes_(request.like != nullptr ? Classes::like(*request.like) : Classes()),
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
    return columns_.empty() ? take_header(cells) : take_record(line, cells);
  }

  bool wrong_element() const { return wrong_element_; }

  // The parts that were asked for, in their order.
  Result<std::vector<std::shared_ptr<const Records>>> finish() {
    if (columns_.empty()) {
      return invalid_argument(path_ + ": expected a header line, found an empty file");
    }
    if (records_ == 0) {
      return invalid_argument(path_ + ": expected records below the header, found none");
    }
    if (request_.draw && records_ < 2) {
      return invalid_argument(path_ +
                              ": expected at least 2 records, to train and to test with, found 1");
    }
    if (const int64_t odd = classes_.odd_line()) {
      return bad_value(odd, target_column_, classes_.odd(),
                       "a class number from 0 to " + std::to_string(kMaxClasses - 1) +
                           " or a name (numbers are predicted with the loss mse and a model of "
                           "one output)");
    }
    std::optional<Classes::Known> known;
    if (info_.classes > 0 && request_.like == nullptr) known = classes_.finish();
    std::vector<std::shared_ptr<const Records>> parts;
    for (RecordsSpool& spool : spools_) {
      if (known) spool.relabel(known->numbers, known->count);
      SLUICE_ASSIGN_OR_RETURN(auto records, spool.finish());
      RecordsInfo info = records->info();
      if (known) info.table.class_names = known->names;
      if (info.classes > 0 && request_.like != nullptr) info.classes = classes_of(*records);
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

  static constexpr size_t kTarget = static_cast<size_t>(-1);

  Status wrong_header(const std::string& what) const {
    return invalid_argument(path_ + ": line 1: " + what);
  }

  Status take_header(std::span<const std::string_view> cells) {
    columns_.assign(cells.begin(), cells.end());
    const std::string& target = request_.options.target;
    const auto at = std::find(columns_.begin(), columns_.end(), target);
    if (at == columns_.end()) {
      return wrong_header("expected a header with a column " + excerpt(target) + ", found " +
                          list_names(columns_) + ": name the column to predict by --target");
    }
    target_column_ = static_cast<size_t>(at - columns_.begin());
    std::map<std::string_view, size_t> place;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].empty()) {
        return wrong_header("column " + std::to_string(i + 1) +
                            " has no name: give it one, or leave it out (pandas writes row "
                            "numbers so, unless index=False)");
      }
      if (!place.emplace(columns_[i], i).second) {
        return wrong_header("two columns have the name " + excerpt(columns_[i]));
      }
    }
    if (columns_.size() < 2) {
      return wrong_header("expected columns of features beside " + excerpt(target));
    }
    slots_.assign(columns_.size(), kTarget);
    info_.table.target = target;
    if (request_.like == nullptr) {
      for (size_t i = 0; i < columns_.size(); ++i) {
        if (i != target_column_) slots_[i] = add_feature(columns_[i]);
      }
    } else {
      SLUICE_RETURN_IF_ERROR(match(*request_.like, place));
    }
    return start_records();
  }

  size_t add_feature(const std::string& name) {
    info_.table.columns.push_back(name);
    return info_.table.columns.size() - 1;
  }

  // Features take the places of their names in the other file.
  Status match(const RecordsInfo& like, const std::map<std::string_view, size_t>& place) {
    for (const std::string& name : like.table.columns) {
      const auto found = place.find(name);
      if (found == place.end()) {
        return wrong_header("has no column " + excerpt(name) + ", which " + like.origin + " has");
      }
      slots_[found->second] = add_feature(name);
    }
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (i == target_column_ || slots_[i] != kTarget) continue;
      return wrong_header("has a column " + excerpt(columns_[i]) + ", which " + like.origin +
                          " does not have");
    }
    return ok_status();
  }

  Status start_records() {
    const size_t n = columns_.size() - 1;
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
    if (cells.size() != columns_.size()) {
      return invalid_argument(path_ + ": line " + std::to_string(line) + ": expected " +
                              std::to_string(columns_.size()) +
                              " columns as in the header, found " + std::to_string(cells.size()));
    }
    RecordsSpool* const spool = part_of_next();
    if (spool == nullptr) return ok_status();
    int32_t label = 0;
    float value = 0;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (slots_[i] != kTarget) {
        if (!take_feature(cells[i], slots_[i])) return bad_feature(line, i, cells[i]);
      } else if (info_.classes == 0) {
        const auto number = to_float(cells[i]);
        if (!number) return bad_value(line, i, cells[i], "a number to predict");
        value = *number;
      } else {
        const auto id = classes_.add(cells[i], line);
        if (!id.ok()) return bad_value(line, i, cells[i], id.status().message());
        label = *id;
      }
    }
    if (info_.classes == 0) return spool->append(row_, {.values = {&value, 1}});
    return spool->append(row_, {.labels = {&label, 1}});
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

  Status bad_feature(int64_t line, size_t column, std::string_view cell) {
    wrong_element_ = element_ == Element::kUint8;
    return bad_value(line, column, cell, "a number");
  }

  Status bad_value(int64_t line, size_t column, std::string_view cell,
                   const std::string& expected) const {
    return invalid_argument(path_ + ": line " + std::to_string(line) + ", column " +
                            std::to_string(column + 1) + " (" + excerpt(columns_[column]) +
                            "): expected " + expected + ", found " + excerpt(cell));
  }

  const std::string& path_;
  const Request& request_;
  const Element element_;
  Classes classes_;
  Draw draw_;
  std::vector<std::string> wanted_;   // parts
  std::vector<RecordsSpool> spools_;  // one for each
  RecordsInfo info_;
  std::vector<std::string> columns_;  // of the file
  std::vector<size_t> slots_;         // where each column goes: a feature, or kTarget
  size_t target_column_ = 0;
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

}  // namespace

Result<std::shared_ptr<const Records>> read_csv(const std::string& path,
                                                const CsvOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(auto parts, read_file(path, {.options = options}));
  return parts[0];
}

Result<TrainTestRecords> read_csv_parts(const std::string& path, const CsvOptions& options,
                                        uint64_t seed) {
  SLUICE_ASSIGN_OR_RETURN(auto parts, read_file(path, {.options = options, .draw = seed}));
  return std::pair(parts[0], parts[1]);
}

Result<std::shared_ptr<const Records>> read_csv_like(const std::string& path,
                                                     const RecordsInfo& like) {
  Request request;
  request.options.target = like.table.target;
  request.options.means =
      like.classes == 0 ? CsvOptions::Means::kNumbers : CsvOptions::Means::kClasses;
  request.like = &like;
  request.part = like.source.part;
  if (!request.part.empty()) request.draw = like.source.seed;
  SLUICE_ASSIGN_OR_RETURN(auto parts, read_file(path, request));
  return parts[0];
}

std::string list_names(const std::vector<std::string>& names) {
  constexpr size_t kMost = 10;
  std::string list;
  for (size_t i = 0; i < std::min(names.size(), kMost); ++i) {
    list += (i == 0 ? "" : ", ") + excerpt(names[i]);
  }
  if (names.size() > kMost) list += " and " + std::to_string(names.size() - kMost) + " more";
  return list;
}

}  // namespace sluice::data
