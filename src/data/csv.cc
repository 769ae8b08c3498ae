#include "data/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/file_io.h"
#include "core/real_world.h"
#include "data/gzip.h"
#include "data/spool.h"

namespace sluice::data {
namespace {

struct Header {
  std::vector<std::string> names;
  size_t label = 0;  // which of them

  size_t features() const { return names.size() - 1; }
};

bool is_space(char c) { return c == ' ' || c == '\t'; }

// As it can be shown inside a one-line message.
std::string excerpt(std::string_view text) {
  std::string out(text.substr(0, 24));
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return "\"" + out + (text.size() > out.size() ? "...\"" : "\"");
}

// Takes the next line, without its end, off the front of `text`.
std::string_view take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::vector<std::string> split_names(std::string_view line) {
  std::vector<std::string> names(1);
  bool quoted = false;
  for (char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      names.emplace_back();
    } else if (quoted || !is_space(c)) {
      names.back() += c;
    }
  }
  return names;
}

Result<Header> parse_header(const std::string& path, std::string_view line) {
  if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);  // a byte order mark
  Header header{.names = split_names(line)};
  const auto count = std::count(header.names.begin(), header.names.end(), "label");
  if (count != 1) {
    return invalid_argument(
        path +
        ": line 1: expected a header with one column named \"label\", "
        "found " +
        (count == 0 ? "none in " + excerpt(line) : std::to_string(count) + " of them") +
        ": name the column of class numbers \"label\"");
  }
  if (header.names.size() < 2) {
    return invalid_argument(path + ": line 1: expected columns of features beside \"label\"");
  }
  const auto at = std::find(header.names.begin(), header.names.end(), "label");
  header.label = static_cast<size_t>(at - header.names.begin());
  return header;
}

// A value of one to three digits up to 255, moving `p` behind it.
bool take_byte(const char*& p, const char* end, uint8_t& value) {
  unsigned number = 0;
  const char* q = p;
  for (; q != end && q - p < 3 && static_cast<unsigned char>(*q - '0') < 10; ++q) {
    number = number * 10 + static_cast<unsigned>(*q - '0');
  }
  if (q == p || number > 255) return false;
  p = q;
  value = static_cast<uint8_t>(number);
  return true;
}

bool take_float(const char*& p, const char* end, float& value) {
  double number = 0;
  const auto [q, error] = std::from_chars(p, end, number);
  if (error != std::errc()) return false;
  value = static_cast<float>(number);
  if (!std::isfinite(value)) return false;
  p = q;
  return true;
}

bool take_label(const char*& p, const char* end, int32_t& value) {
  const auto [q, error] = std::from_chars(p, end, value);
  if (error != std::errc() || value < 0 || value >= kMaxClasses) return false;
  p = q;
  return true;
}

// The lines below the header as records of one element type.
class RowReader {
 public:
  RowReader(const std::string& path, const Header& header, Element element)
      : path_(path), header_(header), element_(element) {
    row_.resize(header.features() * element_size(element));
  }

  // Appends all records of `text` to `spool`. When a feature is not of the element type, stops with
  // INVALID_ARGUMENT and wrong_element() is true.
  Status read(std::string_view text, RecordsSpool& spool) {
    for (int64_t line = 2; !text.empty(); ++line) {
      const std::string_view row = take_line(text);
      if (std::all_of(row.begin(), row.end(), is_space)) continue;
      int32_t label = 0;
      SLUICE_RETURN_IF_ERROR(read_row(line, row, label));
      SLUICE_RETURN_IF_ERROR(spool.append(row_, {&label, 1}));
      classes_ = std::max(classes_, label + 1);
    }
    return ok_status();
  }

  bool wrong_element() const { return wrong_element_; }
  int classes() const { return classes_; }

 private:
  Status read_row(int64_t line, std::string_view row, int32_t& label) {
    const char* p = row.data();
    const char* const end = p + row.size();
    const size_t columns = header_.names.size();
    size_t feature = 0;
    for (size_t column = 0; column < columns; ++column) {
      while (p != end && is_space(*p)) ++p;
      const char* const begin = p;
      const bool is_label = column == header_.label;
      bool good = is_label ? take_label(p, end, label) : take_feature(p, end, feature++);
      while (p != end && is_space(*p)) ++p;
      const bool last = column + 1 == columns;
      good = good && (p == end || *p == ',');
      if (!good) return bad_value(line, column, std::string_view(begin, end));
      if ((p == end) != last) return bad_count(line, row);
      if (!last) ++p;
    }
    return ok_status();
  }

  bool take_feature(const char*& p, const char* end, size_t feature) {
    if (element_ == Element::kUint8) {
      return take_byte(p, end, reinterpret_cast<uint8_t*>(row_.data())[feature]);
    }
    return take_float(p, end, reinterpret_cast<float*>(row_.data())[feature]);
  }

  Status bad_count(int64_t line, std::string_view row) const {
    return invalid_argument(path_ + ": line " + std::to_string(line) + ": expected " +
                            std::to_string(header_.names.size()) +
                            " columns as in the header, found " +
                            std::to_string(std::count(row.begin(), row.end(), ',') + 1));
  }

  Status bad_value(int64_t line, size_t column, std::string_view rest) {
    const bool is_label = column == header_.label;
    wrong_element_ = !is_label && element_ == Element::kUint8;
    const std::string expected = is_label
                                     ? "a class number from 0 to " + std::to_string(kMaxClasses - 1)
                                 : wrong_element_ ? "a whole number from 0 to 255"
                                                  : "a number";
    return invalid_argument(path_ + ": line " + std::to_string(line) + ", column " +
                            std::to_string(column + 1) + " (" + excerpt(header_.names[column]) +
                            "): expected " + expected + ", found " +
                            excerpt(rest.substr(0, rest.find(','))));
  }

  const std::string& path_;
  const Header& header_;
  const Element element_;
  std::vector<std::byte> row_;
  bool wrong_element_ = false;
  int classes_ = 0;
};

RecordsInfo describe_csv(const std::string& path, const Header& header, Element element) {
  RecordsInfo info;
  info.name = std::filesystem::path(path).filename().string();
  const auto n = static_cast<int64_t>(header.features());
  info.sample_shape = n == 784 ? Shape{28, 28, 1} : Shape{n};
  info.classes = kMaxClasses;
  info.element = element;
  info.scale = n == 784 && element == Element::kUint8 ? 1.0f / 255.0f : 1.0f;
  info.origin = path;
  info.source = {.kind = "csv", .files = {core::absolute_path(path)}};
  return info;
}

// With `fixed`, features that are not of the element type are an error; otherwise bytes are tried
// first and floats taken at the first value that is no byte.
Result<std::shared_ptr<const Records>> read(const std::string& path, std::string_view rows,
                                            const Header& header, Element element,
                                            std::optional<Element> fixed) {
  RowReader reader(path, header, element);
  SLUICE_ASSIGN_OR_RETURN(auto spool, RecordsSpool::create(core::real_world().disk(),
                                                           describe_csv(path, header, element)));
  const Status status = reader.read(rows, spool);
  if (!status.ok() && reader.wrong_element() && !fixed) {
    return read(path, rows, header, Element::kFloat32, fixed);
  }
  SLUICE_RETURN_IF_ERROR(status);
  if (spool.records() == 0) {
    return invalid_argument(path + ": expected records below the header, found none");
  }
  SLUICE_ASSIGN_OR_RETURN(auto records, spool.finish());
  RecordsInfo info = records->info();
  info.classes = reader.classes();
  return records->with_info(std::move(info));
}

Result<std::shared_ptr<const Records>> read_file(const std::string& path, const RecordsInfo* like) {
  const auto no_limit = [](std::span<const std::byte>) -> Result<uint64_t> {
    return std::numeric_limits<uint64_t>::max();
  };
  SLUICE_ASSIGN_OR_RETURN(auto file, open_maybe_gzip(path, no_limit));
  std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  if (text.empty()) return invalid_argument(path + ": expected a header line, found an empty file");
  SLUICE_ASSIGN_OR_RETURN(const Header header, parse_header(path, take_line(text)));
  if (like == nullptr) return read(path, text, header, Element::kUint8, {});
  if (static_cast<int64_t>(header.features()) != like->sample_shape.size()) {
    return invalid_argument(path + ": expected " + std::to_string(like->sample_shape.size()) +
                            " columns of features as in " + like->origin + ", found " +
                            std::to_string(header.features()));
  }
  auto records = read(path, text, header, like->element, like->element);
  if (records.ok()) return records;
  return Status(records.status().code(),
                records.status().message() + " (kept as in " + like->origin + ")");
}

}  // namespace

Result<std::shared_ptr<const Records>> read_csv(const std::string& path) {
  return read_file(path, nullptr);
}

Result<std::shared_ptr<const Records>> read_csv_like(const std::string& path,
                                                     const RecordsInfo& like) {
  return read_file(path, &like);
}

}  // namespace sluice::data
