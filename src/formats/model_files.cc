// Model::save() and its kin.
#include "formats/model_file.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"

namespace sluice {

void Model::save(const std::string& path) const {
  formats::ModelOutput output(path);
  const Status written = output.write(*this);
  if (!written.ok()) throw RuntimeError(written.message());
}

void Model::save_weights(const std::string& path) const { save(path); }

void Model::load_weights(const std::string& path) { formats::load_weights(path, *this); }

Model load_model(const std::string& path) { return formats::read_model(path).model; }

}  // namespace sluice
