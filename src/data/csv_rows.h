// Takes the text of a CSV file apart: RFC 4180, and what people have beside it.
//
// Rows end in LF, CR LF or CR; empty ones are skipped. Cells are separated by one character. Spaces
// around a cell are dropped unless they are quoted. A cell in double quotes may hold separators,
// line ends and, doubled, quotes. A byte order mark of UTF-8 is skipped.
//
// Ours, although Debian has libcsv: that says neither in which line a row stands nor where a quote
// that is never closed was opened, and people need both to mend a file.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/status.h"

namespace sluice::data {

class CsvRows {
 public:
  // Called for each row with the line, from 1, that it begins in. Cells are valid until it returns.
  using Row = std::function<Status(int64_t line, std::span<const std::string_view> cells)>;

  // `path` is for messages.
  CsvRows(std::string path, char separator, Row row);

  // The next bytes of the file, cut anywhere but within the first three. Returns what `row` fails
  // with.
  Status feed(std::string_view text);
  // Behind the last bytes. INVALID_ARGUMENT, naming the line, when a quote was never closed.
  Status finish();

 private:
  enum class State { kCellBegin, kPlain, kQuoted, kQuoteInQuoted };

  Status take(char c);
  void end_cell();
  Status end_row();

  const std::string path_;
  const char separator_;
  const Row row_;
  std::array<bool, 256> special_{};  // characters that are not simply a cell's text
  State state_ = State::kCellBegin;
  bool first_ = true;  // nothing has been fed yet
  bool after_cr_ = false;
  int64_t line_ = 1;      // of the next character
  int64_t row_line_ = 1;  // where the row began
  int64_t quote_line_ = 1;
  // The row so far: its cells' text without quotes, one after another.
  std::string text_;
  size_t cell_begin_ = 0;
  size_t quoted_end_ = 0;  // what stands before is kept, spaces too
  struct Cell {
    size_t begin, end;
  };
  std::vector<Cell> cells_;
  bool has_quotes_ = false;
  std::vector<std::string_view> views_;
};

// The most plausible separator for a file that begins like this: the one of , ; tab and | by which
// the header and the first row below it have the same number of columns, and the most.
char find_separator(std::string_view beginning);

}  // namespace sluice::data
