// How records are held: features as stored, targets as class numbers or as numbers of their own,
// and where both came from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/byte_order.h"
#include "core/input_file.h"
#include "sluice/preprocessing.h"
#include "sluice/shape.h"

namespace sluice::data {

// How a stored feature becomes a float: value * scale. kFloat32 and labels lie as in memory
// (core/byte_order.h).
enum class Element : uint8_t { kUint8, kFloat32 };
size_t element_size(Element element);

// A file that records were read from, as it was then.
struct SourceFile {
  std::string path;  // absolute
  core::FileStamp stamp{};

  friend bool operator==(const SourceFile&, const SourceFile&) = default;
};

// Where records can be had again by another process. Empty `kind`: nowhere but in this one's
// memory.
struct RecordsSource {
  std::string kind;               // "idx": images, labels; "csv": one file; "digits": no files
  std::vector<SourceFile> files;  // in this order
  uint64_t seed = 0;              // of "digits", and of what draws the parts of a "csv"
  std::string part{};             // of a "csv" that is read in two: "train" or "test"
  int64_t first = 0;              // the record of the source that is record 0 here

  friend bool operator==(const RecordsSource&, const RecordsSource&) = default;
};

// What a batch has as targets: one class number a sample, [n]; y [n, K], which is one-hot where
// records carry classes; or one number a sample, [n], which is the class's where they carry two.
// Records of numbers have these, [n, values], in any case: what they mean the program that made
// them knows.
enum class TargetForm : uint8_t { kClassNumbers, kVectors, kNumbers };

// The targets of n records: labels [n] where there are classes, else values [n, info.values]; and
// how much the loss of each counts, weights [n], none: all the same.
struct Targets {
  std::span<const int32_t> labels{};
  std::span<const float> values{};
  std::span<const float> weights{};
};

// What is wrong with weights of records, of which the first is record `first`: one that is not
// finite, or negative. Empty: nothing.
std::string check_weights(std::span<const float> weights, int64_t first = 0);

// What the columns of a table are. Empty where records come from none.
struct TableInfo {
  std::string target;                // the name of its column
  std::vector<std::string> columns;  // of the features, in their order
  // Sorted: the name of class i. Empty where classes have numbers, or the targets are numbers.
  std::vector<std::string> class_names;
  std::vector<std::string> ignored{};  // columns that are none of these
  std::string weights{};               // the name of the column of weights; empty: there is none

  friend bool operator==(const TableInfo&, const TableInfo&) = default;
};

struct RecordsInfo;

// What was done to such records, for a model that is trained on them.
Preprocessing preprocessing_of(const RecordsInfo& info);

// The other way round, of a model's file: records that are read like these fit the model.
// `classes`: as many as it tells apart; 0: it predicts a number.
RecordsInfo records_like(const Preprocessing& preprocessing, int classes);

// What a reader on another machine must know to make sense of the bytes, and where to look for them
// first. data/describe.h carries it to another process.
struct RecordsInfo {
  std::string name;    // "mnist"
  Shape sample_shape;  // [28, 28, 1]
  // A record's target is a class number from 0 to classes - 1 or, where there are no classes,
  // `values` numbers.
  int classes = 10;
  int64_t values = 0;
  Element element = Element::kUint8;
  float scale = 1.0f / 255.0f;
  int64_t records = 0;
  TableInfo table;
  std::string origin;  // where it came from, for people: a path, a URL, "generated, seed 1"
  // Where `classes` is that of another set, which goes with this one and has more: its origin. Only
  // in the process that read both.
  std::string classes_origin{};
  RecordsSource source;

  size_t record_bytes() const {
    return static_cast<size_t>(sample_shape.size()) * element_size(element);
  }
  // How many records have these targets; those of the other kind do not count.
  int64_t count(const Targets& targets) const {
    return classes > 0 ? static_cast<int64_t>(targets.labels.size())
                       : static_cast<int64_t>(targets.values.size()) / values;
  }
};

// Features [n, record_bytes]: in memory, or in a file from byte `offset` on.
struct Features {
  std::span<const std::byte> memory{};
  std::shared_ptr<const core::InputFile> file{};
  uint64_t offset = 0;
};

// Immutable; safe to read from several threads.
class Records {
 public:
  // `storage` keeps all spans alive. Throws std::invalid_argument when the sizes do not agree, or,
  // naming the record, when a label is not in [0, classes) or a weight not finite and at least 0.
  Records(RecordsInfo info, Features features, Targets targets,
          std::shared_ptr<const void> storage);
  // Of features in memory and classes.
  Records(RecordsInfo info, std::span<const std::byte> features, std::span<const int32_t> labels,
          std::shared_ptr<const void> storage)
      : Records(std::move(info), Features{.memory = features}, Targets{.labels = labels},
                std::move(storage)) {}

  const RecordsInfo& info() const { return info_; }
  const Targets& targets() const { return targets_; }
  std::span<const int32_t> labels() const { return targets_.labels; }

  // Records [first, first + count), sharing this one's storage. Throws std::out_of_range.
  std::shared_ptr<const Records> slice(int64_t first, int64_t count) const;

  // The same records under another name or with more classes. Throws like the constructor.
  std::shared_ptr<const Records> with_info(RecordsInfo info) const;
  // The same records, each with its weight, or with that of its class: gather_targets() tells them
  // too, and the product where there are both. What is given weights here has no source: another
  // process could not read them there.
  // Throw std::invalid_argument for another number of weights than records or classes.
  std::shared_ptr<const Records> with_weights(std::vector<float> of_records) const;
  std::shared_ptr<const Records> with_class_weights(std::vector<float> of_classes) const;
  bool weighted() const { return !targets_.weights.empty() || !class_weights_.empty(); }

  // Write the records at `indices` one after another: x [n, sample...] as floats; y [n] or [n, K]
  // as `form` says, K the classes or values, with weights one column more, which has them; `to`
  // [n, record_bytes] as they are stored. Throw std::invalid_argument for a span of another size,
  // std::out_of_range for an index, RuntimeError when the features' file cannot be read or has
  // changed since it was opened.
  void gather(std::span<const uint32_t> indices, std::span<float> x) const;
  void gather_targets(std::span<const uint32_t> indices, TargetForm form, std::span<float> y) const;
  void gather_stored(std::span<const uint32_t> indices, std::span<std::byte> to) const;

 private:
  float weight_of(uint32_t index) const;
  void check_gather(std::span<const uint32_t> indices, size_t width, size_t size) const;
  // Calls use(bytes, count) for runs of records that lie one after another, in the order asked.
  template <typename Use>
  void visit_runs(std::span<const uint32_t> indices, const Use& use) const;

  RecordsInfo info_;
  Features features_;
  Targets targets_;
  std::vector<float> class_weights_;  // [classes], or none
  std::shared_ptr<const void> storage_;
};

}  // namespace sluice::data
