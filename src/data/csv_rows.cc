#include "data/csv_rows.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace sluice::data {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_space(char c) { return c == ' ' || c == '\t'; }

}  // namespace

CsvRows::CsvRows(std::string path, char separator, Row row)
    : path_(std::move(path)), separator_(separator), row_(std::move(row)) {
  for (const char c : {separator, '\n', '\r', '"', ' ', '\t'}) {
    special_[static_cast<unsigned char>(c)] = true;
  }
}

Status CsvRows::feed(std::string_view text) {
  if (std::exchange(first_, false) && text.starts_with(kByteOrderMark)) {
    text.remove_prefix(kByteOrderMark.size());
  }
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p != end) {
    // Most characters are ordinary ones of a plain cell, most others end it.
    if (state_ == State::kPlain || state_ == State::kCellBegin) {
      const char* const begin = p;
      while (p != end && !special_[static_cast<unsigned char>(*p)]) ++p;
      if (p != begin) {
        text_.append(begin, p);
        state_ = State::kPlain;
        after_cr_ = false;
        if (p == end) break;
      }
      if (*p == separator_) {
        end_cell();
        after_cr_ = false;
        ++p;
        continue;
      }
    }
    SLUICE_RETURN_IF_ERROR(take(*p++));
  }
  return ok_status();
}

Status CsvRows::take(char c) {
  const bool newline = c == '\n' || c == '\r';
  const bool second_of_crlf = c == '\n' && after_cr_;
  after_cr_ = c == '\r';
  if (newline && !second_of_crlf) ++line_;
  if (state_ == State::kQuoted) {
    if (c == '"') {
      state_ = State::kQuoteInQuoted;
    } else {
      text_ += c;
    }
    return ok_status();
  }
  if (state_ == State::kQuoteInQuoted) {
    if (c == '"') {
      text_ += c;
      state_ = State::kQuoted;
      return ok_status();
    }
    quoted_end_ = text_.size();
    state_ = State::kPlain;
  }
  if (second_of_crlf) return ok_status();
  if (newline) return end_row();
  if (c == separator_) {
    end_cell();
  } else if (state_ == State::kCellBegin && c == '"') {
    state_ = State::kQuoted;
    has_quotes_ = true;
    quote_line_ = line_;
  } else if (state_ != State::kCellBegin || !is_space(c)) {
    text_ += c;
    state_ = State::kPlain;
  }
  return ok_status();
}

void CsvRows::end_cell() {
  size_t end = text_.size();
  const size_t least = std::max(cell_begin_, quoted_end_);
  while (end > least && is_space(text_[end - 1])) --end;
  cells_.push_back({cell_begin_, end});
  cell_begin_ = text_.size();
  state_ = State::kCellBegin;
}

Status CsvRows::end_row() {
  end_cell();
  const bool empty = cells_.size() == 1 && cells_[0].begin == cells_[0].end && !has_quotes_;
  Status status;
  if (!empty) {
    views_.clear();
    for (const Cell& cell : cells_) {
      views_.emplace_back(text_.data() + cell.begin, cell.end - cell.begin);
    }
    status = row_(row_line_, views_);
  }
  cells_.clear();
  text_.clear();
  cell_begin_ = quoted_end_ = 0;
  has_quotes_ = false;
  row_line_ = line_;
  return status;
}

Status CsvRows::finish() {
  if (state_ == State::kQuoted) {
    return invalid_argument(
        fmt::format("{}: line {}: a quote is opened that is never closed", path_, quote_line_));
  }
  if (state_ == State::kQuoteInQuoted) quoted_end_ = text_.size();
  return text_.empty() && cells_.empty() && !has_quotes_ ? ok_status() : end_row();
}

char find_separator(std::string_view beginning) {
  constexpr std::array kSeparators = {',', ';', '\t', '|'};
  char best = kSeparators[0];
  size_t most = 0;
  bool best_agrees = false;
  for (const char separator : kSeparators) {
    std::vector<size_t> columns;
    CsvRows rows("", separator, [&](int64_t, std::span<const std::string_view> cells) {
      columns.push_back(cells.size());
      return columns.size() < 2 ? ok_status() : cancelled("two are enough");
    });
    if (rows.feed(beginning).ok()) (void)rows.finish().ok();
    const bool agrees = columns.size() == 2 && columns[0] == columns[1] && columns[0] > 1;
    if (columns.empty() || agrees < best_agrees) continue;
    if (agrees == best_agrees && columns[0] <= most) continue;
    best = separator;
    most = columns[0];
    best_agrees = agrees;
  }
  return best;
}

}  // namespace sluice::data
