// The classes that the values of a CSV file's target column name: numbers from 0 where all values
// are whole numbers, else names, which become classes in sorted order.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/records.h"
#include "sluice/status.h"

namespace sluice::data {

class CsvClasses {
 public:
  CsvClasses() = default;
  // The classes of another file, which has been read: its names or, where it has none, numbers.
  static CsvClasses like(const RecordsInfo& other) {
    CsvClasses classes;
    classes.like_ = &other;
    return classes;
  }

  // A number for the class in this cell: final where there is another file, else one of those that
  // finish() translates. INVALID_ARGUMENT: the message is what was expected in its place.
  Result<int32_t> add(std::string_view cell, int64_t line);

  // The first value that is a number but no class number, and its line, where there are no names;
  // line 0: there is none.
  int64_t odd_line() const { return named_ ? 0 : odd_line_; }
  const std::string& odd() const { return odd_; }

  struct Known {
    std::vector<int32_t> numbers;    // of the classes, by the numbers that add() gave
    std::vector<std::string> names;  // sorted; empty where classes have numbers only
    int count = 0;
  };
  // Behind the last cell of a file that goes with no other; odd_line() must be 0.
  Known finish() const;

 private:
  Result<int32_t> in_other_file(std::string_view cell) const;

  const RecordsInfo* like_ = nullptr;
  std::map<std::string, int32_t, std::less<>> ids_;
  bool named_ = false;  // some value is no number: all are names
  int64_t odd_line_ = 0;
  std::string odd_;
};

}  // namespace sluice::data
