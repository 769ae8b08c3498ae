// What a trained model is used on: files of any kind as rows of what its input takes.
//
//   .npy        numbers as the network takes them, [n, input...], or [input...], one record, where
//               axes of size 1 may be missing or surplus; nothing is done to them
//   IDX         images of bytes, [n, rows, columns], plain or gzip
//   CSV         a record a row, plain or gzip. With a header, columns are found by the names that
//               the model was trained with, and what is not asked for is passed over
//   JSON lines  a record each: an array of numbers, nested or not, or an object, whose members are
//               found by the names of the model's columns
//   JPEG, PNG   one record, resized to the input's height and width; of an input [1, h, w] or
//               [3, h, w] whose last axis is neither 1 nor 3, channels come first
//
// All but .npy hold values as datasets hold them, of which a Preprocessing makes inputs. A file is
// told by its content. Standard input, pipes and devices are read as they come: .npy, pictures and
// lines, of CSV or JSON.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/csv_rows.h"
#include "sluice/preprocessing.h"
#include "sluice/shape.h"
#include "sluice/status.h"

namespace sluice::data {

class ArrayRecords;

// What the model's input takes, without the batch; and what its file says of the dataset, if it
// does. Of a table whose columns the file does not name: what is no feature, by name; these need
// not be there.
struct InputFormat {
  Shape shape;
  std::optional<Preprocessing> preprocessing{};
  std::string target{};
  std::vector<std::string> ignored{};
};

// What a file has turned out to be. To arrays nothing is done, and only tables have columns.
enum class InputKind { kArray, kImages, kTable, kPicture };

// Is given whole records, as rows of floats; what it fails with, reading fails with.
using RowSink = std::function<Status(std::span<const float> rows)>;

// `path` may be "-", standard input. INVALID_ARGUMENT: a file of no such kind, of records of
// another shape, or one whose values mean nothing without a preprocessing that the model does not
// have; DATA_LOSS: a damaged one; else as InputFile::open(). All name the path.
Result<InputKind> read_inputs(const std::string& path, const InputFormat& format,
                              const RowSink& sink);

// Rows of a table as records. The first one is a header where its cells hold the names of the
// model's columns; where that has no names, or they are not there, where no cell is a number.
class InputTable {
 public:
  // `name` is for messages. Both must outlive the table.
  InputTable(const std::string& name, const InputFormat& format) : name_(name), format_(format) {}

  // Appends the record to `rows`; a header adds none.
  Status take(int64_t line, std::span<const std::string_view> cells, std::vector<float>& rows);

 private:
  using Cells = std::span<const std::string_view>;
  static constexpr size_t kNowhere = static_cast<size_t>(-1);

  // Whether it is a header.
  Result<bool> read_first(int64_t line, Cells cells);
  bool is_header(Cells cells) const;
  Status find_columns(int64_t line, Cells cells);
  Status leave_out_columns(int64_t line, Cells cells);
  Status check_count(int64_t line, Cells cells, bool is_header) const;
  Status wrong(int64_t line, const std::string& what) const;
  // The names that the model was trained with, or none.
  const std::vector<std::string>& columns() const;
  size_t size() const { return static_cast<size_t>(format_.shape.size()); }

  const std::string& name_;
  const InputFormat& format_;
  std::vector<size_t> places_;  // where each cell goes in a record; none before the first row
};

// Records that come a line each, of a table or as JSON, an array of numbers, nested or not, or an
// object. What has come in whole lines goes to the sink at once.
class InputLines {
 public:
  InputLines(std::string name, InputFormat format, RowSink sink);

  // The next bytes, cut anywhere.
  Status feed(std::string_view text);
  // Behind the last bytes.
  Status finish();

 private:
  Status take(std::string_view line);
  Status take_json(std::string_view line);
  Status wrong(const std::string& what) const;

  const std::string name_;
  const InputFormat format_;
  const RowSink sink_;
  InputTable table_;
  std::unique_ptr<CsvRows> cells_;  // made when the separator is known
  std::string rest_;                // of a line whose end has not come
  int64_t line_ = 0;
  std::vector<float> rows_;
};

// What comes through a pipe, told by its first bytes: .npy, a picture, or lines.
class InputStream {
 public:
  InputStream(std::string name, InputFormat format, RowSink sink);
  ~InputStream();

  // The next bytes, cut anywhere.
  Status feed(std::string_view bytes);
  // Behind the last bytes.
  Status finish();
  InputKind kind() const { return kind_; }

 private:
  // Whether the first bytes tell the kind.
  bool are_enough() const;
  Status begin();

  const std::string name_;
  const InputFormat format_;
  const RowSink sink_;
  bool has_begun_ = false;  // and one of the following is there, or it is a picture
  InputKind kind_ = InputKind::kTable;
  std::string bytes_;  // the first ones, or a whole picture
  std::unique_ptr<ArrayRecords> array_;
  std::unique_ptr<InputLines> lines_;
};

}  // namespace sluice::data
