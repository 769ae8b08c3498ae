#include "cli/predictions.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>

#include "core/byte_stream.h"
#include "core/count_text.h"
#include "core/json_text.h"
#include "core/printable.h"
#include "data/npy.h"
#include "nn/lowering.h"
#include "sluice/losses.h"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

// Whether a value comes out of this function, or is the mean of such as do.
bool comes_of(const backend::Graph& graph, backend::ValueId value, backend::Activation::Kind kind) {
  const auto op = std::ranges::find(graph.ops, value, &backend::Op::output);
  if (op == graph.ops.end()) return false;
  if (const auto* merge = std::get_if<backend::MergeOp>(&op->kind)) {
    return merge->kind == backend::MergeOp::Kind::kAverage &&
           std::ranges::all_of(op->inputs, [&](const backend::ValueId input) {
             return comes_of(graph, input, kind);
           });
  }
  const auto* activation = std::get_if<backend::ActivationOp>(&op->kind);
  return activation != nullptr && activation->activation.kind == kind;
}

bool ends_in(const Model& model, backend::Activation::Kind kind) {
  const backend::Graph graph = nn::lower(model, LossSpec(MeanSquaredError{}));
  return comes_of(graph, graph.outputs.front().value, kind);
}

// Whether it is written as it comes, with nobody to replace it.
bool is_written_live(const std::string& path) {
  return core::is_standard_output(path) || core::is_stream(path);
}

// All numbers, or the first ones and how many there are.
std::string list_of(std::span<const float> y, const LineStyle& style) {
  constexpr size_t kMost = 16;
  if (!style.is_short || y.size() <= kMost) return fmt::format("{}", fmt::join(y, ", "));
  return fmt::format("{}, ... ({} numbers: --output FILE)", fmt::join(y.first(kMost), ", "),
                     core::with_separators(static_cast<int64_t>(y.size())));
}

// In double quotes where a table needs it.
std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string header_of(const OutputNames& names) {
  std::string text = "input,record";
  if (names.are_classes) text += ",class";
  for (size_t k = 0; k < names.outputs.size(); ++k) {
    const auto size = static_cast<size_t>(names.shapes[k].size());
    for (size_t i = 0; i < size; ++i) {
      const bool is_class = names.are_classes && !names.is_binary();
      text += "," + cell(is_class    ? names.class_name(i)
                         : size == 1 ? names.outputs[k]
                                     : fmt::format("{}_{}", names.outputs[k], i));
    }
  }
  return text + "\n";
}

}  // namespace

std::string OutputNames::class_name(size_t number) const {
  return number < class_names.size() ? class_names[number] : std::to_string(number);
}

OutputNames names_of_outputs(const Model& model) {
  OutputNames names{.outputs = model.output_names(), .shapes = model.output_shapes()};
  if (names.outputs.size() > 1 || names.shapes.front().rank() != 1) return names;
  if (model.preprocessing()) names.class_names = model.preprocessing()->class_names;
  const auto size = static_cast<size_t>(names.shapes.front().size());
  const size_t named = names.class_names.size();
  using Kind = backend::Activation::Kind;
  names.are_probabilities = ends_in(model, size > 1 ? Kind::kSoftmax : Kind::kSigmoid);
  names.are_classes =
      size > 1 ? named == size || names.are_probabilities : named == 2 && names.are_probabilities;
  return names;
}

std::optional<Choice> choice_of(const OutputNames& names, const Prediction& prediction) {
  if (!names.are_classes) return std::nullopt;
  const std::span<const float> y = prediction.y.front();
  if (names.is_binary()) return y[0] > 0.5f ? Choice{1, y[0]} : Choice{0, 1 - y[0]};
  const auto most = std::ranges::max_element(y);
  return Choice{static_cast<size_t>(most - y.begin()), *most};
}

std::string line_of(const OutputNames& names, const Prediction& prediction,
                    const LineStyle& style) {
  std::string text = prediction.input;
  if (prediction.is_numbered) text += fmt::format("[{}]", prediction.record);
  text += "  ";
  if (!names.are_classes) {
    for (size_t k = 0; k < prediction.y.size(); ++k) {
      if (k > 0) text += "  ";
      if (prediction.y.size() > 1) text += names.outputs[k] + " ";
      text += list_of(prediction.y[k], style);
    }
    return text + "\n";
  }
  const std::span<const float> y = prediction.y.front();
  std::vector<Choice> choices;
  for (size_t i = 0; i < y.size(); ++i) choices.push_back({i, y[i]});
  if (names.is_binary()) choices = {{0, 1 - y[0]}, {1, y[0]}};
  std::ranges::stable_sort(choices, std::greater(), &Choice::probability);
  choices.resize(std::min(choices.size(), static_cast<size_t>(style.top)));
  for (size_t i = 0; i < choices.size(); ++i) {
    text +=
        fmt::format("{}{} {:.4f}", i > 0 ? ", " : "",
                    core::printable(names.class_name(choices[i].number)), choices[i].probability);
  }
  return text + "\n";
}

std::string json_of(const OutputNames& names, const Prediction& prediction) {
  Json json = {{"input", prediction.input}, {"record", prediction.record}};
  if (const auto choice = choice_of(names, prediction)) {
    json["class"] = names.class_name(choice->number);
    json[names.are_probabilities ? "probability" : "logit"] = choice->probability;
  }
  for (size_t k = 0; k < prediction.y.size(); ++k) {
    json["outputs"][names.outputs[k]] =
        std::vector<float>(prediction.y[k].begin(), prediction.y[k].end());
  }
  return core::json_text(json);
}

PredictionFile::Kind PredictionFile::kind_of(const std::string& path) {
  if (path.ends_with(".npy")) return Kind::kNpy;
  if (path.ends_with(".csv")) return Kind::kCsv;
  if (path.ends_with(".json")) return Kind::kJson;
  if (is_written_live(path)) return Kind::kCsv;
  throw std::invalid_argument(
      "--output: expected a name that ends with .npy, .csv or .json, or -, got " + path);
}

PredictionFile::PredictionFile(const std::string& path, const OutputNames& names)
    : names_(names), kind_(kind_of(path)), file_(path) {
  if (kind_ == Kind::kNpy && names.outputs.size() > 1) {
    throw std::invalid_argument(
        fmt::format("--output: a .npy file has one array, and the model {} outputs; use .csv or "
                    ".json",
                    names.outputs.size()));
  }
  const Status status = file_.check();
  if (!status.ok()) throw std::invalid_argument("--output: " + status.message());
  if (kind_ == Kind::kCsv) text_ = header_of(names);
  if (kind_ == Kind::kCsv && is_written_live(path)) lines_.emplace(file_);
}

void PredictionFile::flush() {
  if (!lines_) return;
  lines_->write(text_);
  text_.clear();
}

void PredictionFile::add(const Prediction& prediction) {
  ++records_;
  if (kind_ == Kind::kNpy) {
    const std::span<const float> y = prediction.y.front();
    text_.append(reinterpret_cast<const char*>(y.data()), y.size_bytes());
  } else if (kind_ == Kind::kCsv) {
    text_ += fmt::format("{},{}", cell(prediction.input), prediction.record);
    if (const auto choice = choice_of(names_, prediction)) {
      text_ += "," + cell(names_.class_name(choice->number));
    }
    for (const auto& y : prediction.y) text_ += fmt::format(",{}", fmt::join(y, ","));
    text_ += "\n";
  } else {
    text_ += (records_ == 1 ? "[\n  " : ",\n  ") + json_of(names_, prediction);
  }
}

Status PredictionFile::write() {
  if (lines_) {
    flush();
    return lines_->close();
  }
  if (kind_ == Kind::kJson) text_ += records_ == 0 ? "[]\n" : "\n]\n";
  if (kind_ != Kind::kNpy) return file_.write({text_});
  std::vector<int64_t> sizes = names_.shapes.front().dims();
  sizes.insert(sizes.begin(), records_);
  const std::string header = data::npy_header(Shape(sizes));
  return file_.write({header, text_});
}

}  // namespace sluice::cli
