// What `sluice predict` says of records: lines as they come, and files at the end.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/outputs.h"
#include "core/atomic_file.h"
#include "sluice/model.h"
#include "sluice/status.h"

namespace sluice::cli {

// How a model's outputs are told to people.
struct OutputNames {
  std::vector<std::string> outputs;        // of the model
  std::vector<Shape> shapes;               // of a record, likewise
  std::vector<std::string> class_names{};  // of a single output's numbers, or none
  bool are_classes = false;                // its numbers are of classes
  bool are_probabilities = false;          // or logits, of which the largest is the class

  // A single output of two classes, whose number is the probability of the second.
  bool is_binary() const { return are_classes && shapes.front().size() == 1; }
  std::string class_name(size_t number) const;
};

OutputNames names_of_outputs(const Model& model);

// What a record has come to: `y` has an array for each output.
struct Prediction {
  std::string input;        // where the record is from: a file
  int64_t record = 0;       // in it, from 0
  bool is_numbered = true;  // for lines: it is not the only one
  std::vector<std::span<const float>> y{};
};

// The class of the largest number, and that: its probability, or its logit. None without classes.
struct Choice {
  size_t number = 0;
  float probability = 0;
};
std::optional<Choice> choice_of(const OutputNames& names, const Prediction& prediction);

struct LineStyle {
  int top = 3;            // so many classes
  bool is_short = false;  // of many numbers the first ones: for a terminal
};
// "cat.png  cat 0.9312, dog 0.0688", "digits.npy[7]  9 1.0000": the most probable classes, or the
// numbers.
std::string line_of(const OutputNames& names, const Prediction& prediction, const LineStyle& style);
// An object, without a line's end.
std::string json_of(const OutputNames& names, const Prediction& prediction);

// A file of all predictions: .npy, the numbers alone, [n, output...]; .csv, a record a line; or
// .json, an array. Standard output, pipes and devices get CSV, as it comes.
class PredictionFile {
 public:
  // Throws std::invalid_argument for another ending, for .npy of a model with several outputs, and
  // where it cannot be written.
  PredictionFile(const std::string& path, const OutputNames& names);

  void add(const Prediction& prediction);
  // What has been added goes out, where it may.
  void flush();
  Status write();

 private:
  enum class Kind { kNpy, kCsv, kJson };
  static Kind kind_of(const std::string& path);

  const OutputNames& names_;
  const Kind kind_;
  core::OutputFile file_;
  std::optional<LineFile> lines_;  // instead, of what is written as it comes
  std::string text_;
  int64_t records_ = 0;
};

}  // namespace sluice::cli
