// What a CSV file's header says: which column is the target, which are ignored, and where each of
// the others goes in a record.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/records.h"
#include "sluice/status.h"

namespace sluice::data {

// Of a file's columns, in the file's order.
struct CsvHeader {
  static constexpr size_t kTarget = static_cast<size_t>(-1);
  static constexpr size_t kIgnored = static_cast<size_t>(-2);
  static constexpr size_t kWeight = static_cast<size_t>(-3);

  std::vector<std::string> columns;   // their names, all different
  size_t target = 0;                  // the place of the target's
  bool weighted = false;              // whether there is a column of weights
  std::vector<size_t> slots;          // which feature each column is, or one of these three
  std::vector<std::string> features;  // names, in the order that a record has them
};

// Columns that a file has and another one, which goes with it, does not.
enum class OtherColumns { kRefused, kPassedOver };

// `like`: a file that was read before, whose features take the same places in a record, or nullptr.
// `others`: what becomes of columns that it does not have.
// `weights`: the name of the column of weights, empty for none. INVALID_ARGUMENT, naming path and
// line, when a name is missing or there twice, for a target, an ignored column or weights that are
// not there, listing those that there are, when there is no feature, for one that is ignored or
// only the other file has, and for columns that are refused. What is ignored, and weights, need not
// be in the second file.
Result<CsvHeader> read_csv_header(const std::string& path, std::span<const std::string_view> cells,
                                  const std::string& target,
                                  const std::vector<std::string>& ignored,
                                  const std::string& weights, const RecordsInfo* like,
                                  OtherColumns others);

}  // namespace sluice::data
