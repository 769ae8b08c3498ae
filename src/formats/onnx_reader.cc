#include "formats/onnx_reader.h"

#include "formats/onnx_file.h"
#include "formats/onnx_import/importer.h"
#include "nn/model_impl.h"

namespace sluice::formats {
namespace {

class ReadModel : public Model {
 public:
  explicit ReadModel(Model model) : Model(std::move(model)) {}
  void set_other_files(std::vector<std::string> files) { impl_->other_files = std::move(files); }
  void set_preprocessing(const std::string& json) {
    impl_->preprocessing = Preprocessing::from_json(json);
  }
};

}  // namespace

Model parse_onnx(std::span<const char> file, const std::string& folder) {
  OnnxFile read = read_onnx_file(file, folder);
  const auto preprocessing = read.metadata.find("sluice");
  const std::string json = preprocessing == read.metadata.end() ? "" : preprocessing->second;
  ReadModel model(onnx::import_model(read));
  if (!json.empty()) model.set_preprocessing(json);
  model.set_other_files(read.external_files);
  return std::move(static_cast<Model&>(model));
}

}  // namespace sluice::formats
