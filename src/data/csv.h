// Reads records from a CSV file (data/csv_rows.h says what may be in one), plain or compressed with
// gzip.
//
//   sepal length,sepal width,species     a header: every column has a name of its own
//   5.1,3.5,setosa                       one record a row
//
// One column is the target and one may have the records' weights; all others that are not ignored
// are features: numbers, as Python's float() reads them, but finite. Columns are told by their
// names alone, so that files that go together may have them in any order.
//
// Targets are classes: numbers from 0, where all of them are whole numbers, however written, or
// else names, which become classes in sorted order. Or, where that is asked for, they are numbers
// to be predicted.
//
// Features that are all whole numbers from 0 to 255, however written, are kept as bytes, otherwise
// as floats; that changes no value. 784 features are an image of shape [28, 28, 1], and when all
// are such bytes, value / 255. Any other number n has shape [n] and its values as they are written.
// Features go into an unnamed temporary file that is mapped, so a file may be larger than memory.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/csv_header.h"
#include "data/records.h"
#include "sluice/status.h"

namespace sluice::data {

// Class numbers are below this, so that a mistaken column does not ask for a million output units.
inline constexpr int kMaxClasses = 65536;

struct CsvOptions {
  std::string target = "label";        // the name of its column
  std::vector<std::string> ignored{};  // names of columns that are no features
  std::string weights{};               // the column of the records' weights; empty: there is none
  enum class Means { kClasses, kNumbers } means = Means::kClasses;
};

// The name is the file's. NOT_FOUND: no such file. INVALID_ARGUMENT: not such a file, naming the
// line and, where it is one value that is wrong, the column; or no such target, ignored column or
// column of weights, listing those that there are. RESOURCE_EXHAUSTED: no room for the temporary
// file. DATA_LOSS: it was written to while it was read.
Result<std::shared_ptr<const Records>> read_csv(const std::string& path,
                                                const CsvOptions& options = {});

// Two parts of a file of at least two records, to train and to test with: of every seven records
// that follow one another, one, drawn by `seed`, goes to the second. A file that is sorted by class
// therefore has every class of some size in both.
// `like`: as read_csv_like() has it, instead of the options.
using TrainTestRecords = std::pair<std::shared_ptr<const Records>, std::shared_ptr<const Records>>;
Result<TrainTestRecords> read_csv_parts(const std::string& path, const CsvOptions& options,
                                        uint64_t seed, const RecordsInfo* like = nullptr,
                                        OtherColumns others = OtherColumns::kRefused);

// Reads a file that goes with another, `like`, which has been read: the same columns by name, the
// same classes and the same scale; a column of weights it need not have. INVALID_ARGUMENT also for
// a column that only one of the files has and for the name of a class that `like` does not have.
// Where like.source is a part of a file, the same part of this one. Columns that only this file has
// can be passed over.
Result<std::shared_ptr<const Records>> read_csv_like(const std::string& path,
                                                     const RecordsInfo& like,
                                                     OtherColumns others = OtherColumns::kRefused);

}  // namespace sluice::data
