#include "formats/model_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <utility>

#include "core/file_io.h"
#include "core/log.h"
#include "formats/checkpoint.h"
#include "formats/foreign_files.h"
#include "formats/keras_files.h"
#include "formats/onnx_reader.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

constexpr std::string_view kZip = "PK\x03\x04";
constexpr std::string_view kHdf5 = "\x89HDF\r\n\x1a\n";
constexpr size_t kMostText = size_t{256} << 20;
constexpr size_t kMostBytes = SIZE_MAX / 2;

bool begins_with_brace(std::string_view begin) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (begin.starts_with(kByteOrderMark)) begin.remove_prefix(kByteOrderMark.size());
  const size_t at = begin.find_first_not_of(" \t\r\n");
  return at != std::string_view::npos && (begin[at] == '{' || begin[at] == '[');
}

// The number of ONNX's version of itself, which protobuf writes first.
bool begins_as_onnx(std::string_view begin) {
  return begin.size() > 2 && begin[0] == '\x08' && begin[1] > 0 && begin[1] < 32;
}

std::optional<Format> format_of_content(std::string_view begin) {
  if (is_checkpoint(begin)) return Format::kSluice;
  if (begin.starts_with(kZip)) return Format::kKeras;
  if (begin.starts_with(kHdf5)) return Format::kH5;
  if (begins_as_onnx(begin)) return Format::kOnnx;
  if (begins_with_brace(begin)) return Format::kJson;
  return std::nullopt;
}

Model read_json(std::span<const char> file) {
  Model model = Model::from_json({file.data(), file.size()});
  if (model.built()) return model;
  throw std::invalid_argument(
      model.layers().empty()
          ? "model JSON: \"layers\": expected at least one layer behind the input"
          : "model JSON: no layer says the input's shape: add an InputLayer "
            "before to_json()");
}

Model read_as(Format format, const std::string& path, std::span<const char> file) {
  switch (format) {
    case Format::kKeras:
      return parse_keras(file);
    case Format::kH5:
      return parse_h5(file);
    case Format::kOnnx:
      return parse_onnx(file, std::filesystem::path(path).parent_path());
    case Format::kJson:
      return read_json(file);
    default:
      return parse_checkpoint(file);
  }
}

// Calls `act`, whose messages know no file.
template <typename Act>
auto naming(const std::string& path, const Act& act) {
  try {
    return act();
  } catch (const ShapeError& error) {
    throw ShapeError(path + ": " + error.what());
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(path + ": " + error.what());
  } catch (const RuntimeError& error) {
    throw RuntimeError(path + ": " + error.what());
  }
}

std::string read(const std::string& path) {
  if (const char* foreign = foreign_folder(path)) throw RuntimeError(path + ": " + foreign);
  Result<std::string> file = core::read_file(path, [](std::string_view begin) {
    const auto format = format_of_content(begin);
    return format && *format != Format::kJson ? kMostBytes : kMostText;
  });
  if (!file.ok()) throw RuntimeError(file.status().message());
  return *std::move(file);
}

}  // namespace

ModelFile parse_model(const std::string& path, std::span<const char> file) {
  if (const char* foreign = foreign_file(path, {file.data(), file.size()})) {
    throw RuntimeError(path + ": " + foreign);
  }
  const auto format = format_of_content({file.data(), file.size()});
  if (!format) {
    throw RuntimeError(fmt::format(
        "{}: {}; expected a model: Keras' .keras, .h5 or JSON, ONNX, or what Sluice has saved",
        path, file.empty() ? "is empty" : "is of no format that is known here"));
  }
  return naming(path, [&] {
    return ModelFile{read_as(*format, path, file), *format, *format != Format::kJson};
  });
}

ModelFile read_model(const std::string& path) { return parse_model(path, read(path)); }

namespace {

// The model's own counts.
void take_over(const std::optional<Preprocessing>& read, const std::string& path, Model& model) {
  std::optional<Preprocessing>& own = model.impl().preprocessing;
  if (!read || read == own) return;
  if (!own) {
    own = read;
    return;
  }
  if (!own->scale) own->scale = read->scale;
  if (own->class_names.empty()) own->class_names = read->class_names;
  if (own == read) return;
  SLUICE_LOG(warn,
             "{} says something else of what was done to the records than the model's own file, "
             "which counts",
             path);
}

}  // namespace

void load_weights(const std::string& path, Model& model) {
  const std::string file = read(path);
  if (file.starts_with(kHdf5)) {
    take_over(naming(path, [&] { return load_h5_weights(file, model); }), path, model);
    return;
  }
  const ModelFile other = parse_model(path, file);
  if (!other.has_weights) {
    throw RuntimeError(path +
                       ": has layers alone, no weights: Keras writes these with "
                       "model.save() or save_weights()");
  }
  const Status same =
      check_same_layout(other.model.parameters().layout(), model.parameters().layout());
  if (!same.ok()) throw RuntimeError(path + ": " + same.message());
  std::ranges::copy(other.model.parameters().values(), model.parameters().values().begin());
  const std::vector<std::string>& files = other.model.impl().other_files;
  model.impl().other_files.insert(model.impl().other_files.end(), files.begin(), files.end());
  take_over(other.model.preprocessing(), path, model);
}

}  // namespace sluice::formats
