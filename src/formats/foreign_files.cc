#include "formats/foreign_files.h"

#include <cstdint>
#include <cstring>
#include <filesystem>

namespace sluice::formats {
namespace {

constexpr const char* kPyTorch =
    "is PyTorch's own file, which only Python can read; export the model with torch.onnx.export() "
    "and give the .onnx";
constexpr const char* kSavedModel =
    "is TensorFlow's SavedModel, which Sluice writes but does not read; save the model in Keras "
    "with model.save(\"model.keras\")";
constexpr const char* kLite =
    "is a model of TensorFlow Lite, whose layers are gone; give the model that it was made of, "
    "as .keras or .onnx";
constexpr const char* kSafetensors =
    "holds tensors by names (safetensors) and no layers; load it in PyTorch or Keras and export "
    "the model as .onnx or .keras";
constexpr const char* kFrozenGraph =
    "is a graph of TensorFlow, which Sluice does not read; save the model in Keras with "
    "model.save(\"model.keras\")";

// A zip whose first member is one of these: "lenet/data.pkl" of torch.save(), with TorchScript too.
bool is_pytorch_zip(std::string_view file) {
  constexpr size_t kNameSizeAt = 26, kNameAt = 30;
  if (!file.starts_with("PK\x03\x04") || file.size() < kNameAt) return false;
  uint16_t size = 0;
  std::memcpy(&size, file.data() + kNameSizeAt, sizeof size);
  const std::string_view name = file.substr(kNameAt, size);
  return name.ends_with("/data.pkl") || name.ends_with("/version") ||
         name.ends_with("/.format_version");
}

// What torch.save() wrote before 1.6.
bool is_pickle(std::string_view file) {
  return file.size() > 2 && file[0] == '\x80' && file[1] >= '\x02' && file[1] <= '\x05';
}

// The version of the schema, 1, and then a message that begins with a message: an ONNX file has a
// name there.
bool is_saved_model(std::string_view file) {
  if (!file.starts_with("\x08\x01\x12")) return false;
  size_t at = 3;
  while (at < file.size() && at < 8 && (file[at] & 0x80) != 0) ++at;
  return at + 1 < file.size() && file[at + 1] == '\n';
}

bool is_safetensors(std::string_view file) {
  uint64_t header = 0;
  if (file.size() < sizeof header + 2) return false;
  std::memcpy(&header, file.data(), sizeof header);
  return header >= 2 && header <= file.size() - sizeof header && file.substr(8).starts_with("{\"");
}

}  // namespace

const char* foreign_file(const std::string& path, std::string_view file) {
  if (is_pytorch_zip(file) || is_pickle(file)) return kPyTorch;
  if (is_saved_model(file)) return kSavedModel;
  if (file.size() >= 8 && file.substr(4, 4) == "TFL3") return kLite;
  if (is_safetensors(file)) return kSafetensors;
  if (path.ends_with(".pb") && file.starts_with("\n")) return kFrozenGraph;
  return nullptr;
}

const char* foreign_folder(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) return nullptr;
  if (std::filesystem::exists(path + "/saved_model.pb", ignored)) return kSavedModel;
  return "is a folder; expected a model's file";
}

}  // namespace sluice::formats
