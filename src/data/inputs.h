// What a trained model is used on: files of any kind as rows of what its input takes.
//
//   .npy       numbers as the network takes them, [n, input...], or [input...], one record; nothing
//              is done to them
//   IDX        images of bytes, [n, rows, columns], plain or gzip
//   CSV        a record a row, plain or gzip. With a header, columns are found by the names that
//              the model was trained with, and what is not asked for is passed over
//   JPEG, PNG  one record, resized to the input's height and width
//
// The last three hold values as datasets hold them, of which a Preprocessing makes inputs. A file
// is told by its content.
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

// What the model's input takes, without the batch; and what its file says of the dataset, if it
// does.
struct InputFormat {
  Shape shape;
  std::optional<Preprocessing> preprocessing{};
};

// Is given whole records, as rows of floats; what it fails with, reading fails with.
using RowSink = std::function<Status(std::span<const float> rows)>;

// INVALID_ARGUMENT: a file of no such kind, of records of another shape, or one whose values mean
// nothing without a preprocessing that the model does not have; DATA_LOSS: a damaged one; else as
// InputFile::open(). All name the path.
Status read_inputs(const std::string& path, const InputFormat& format, const RowSink& sink);

// Rows of a table as records. The first one may be a header.
class InputTable {
 public:
  // `name` is for messages. Both must outlive the table.
  InputTable(const std::string& name, const InputFormat& format) : name_(name), format_(format) {}

  // Appends the record to `rows`; a header adds none.
  Status take(int64_t line, std::span<const std::string_view> cells, std::vector<float>& rows);

 private:
  static constexpr size_t kNowhere = static_cast<size_t>(-1);

  Status read_header(std::span<const std::string_view> cells);
  Status wrong(int64_t line, const std::string& what) const;
  size_t size() const { return static_cast<size_t>(format_.shape.size()); }

  const std::string& name_;
  const InputFormat& format_;
  std::vector<size_t> places_;  // where each cell goes in a record; none before the first row
};

// Records that come a line each, of a table or as JSON, an array of numbers, nested or not. What
// has come in whole lines goes to the sink at once.
class InputLines {
 public:
  InputLines(std::string name, InputFormat format, RowSink sink);

  // The next bytes, cut anywhere.
  Status feed(std::string_view text);
  // Behind the last bytes.
  Status finish();

 private:
  Status take(std::string_view line);

  const std::string name_;
  const InputFormat format_;
  const RowSink sink_;
  InputTable table_;
  std::unique_ptr<CsvRows> cells_;  // made when the separator is known
  std::string rest_;                // of a line whose end has not come
  int64_t line_ = 0;
  std::vector<float> rows_;
};

}  // namespace sluice::data
