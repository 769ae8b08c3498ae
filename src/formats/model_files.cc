// Model::save_weights() and its kin.
#include <fmt/core.h>

#include <algorithm>

#include "formats/checkpoint.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"

namespace sluice {
namespace {

formats::Checkpoint value_or_throw(Result<formats::Checkpoint> checkpoint) {
  if (!checkpoint.ok()) throw RuntimeError(checkpoint.status().message());
  return *std::move(checkpoint);
}

// Into `model`, or nothing changes.
void take_over(const std::string& path, const core::ParameterSet& from, core::ParameterSet& model) {
  if (const Status same = formats::check_same_layout(from.layout(), model.layout()); !same.ok()) {
    throw RuntimeError(fmt::format("checkpoint {} {}", path, same.message()));
  }
  std::copy(from.values().begin(), from.values().end(), model.values().begin());
}

Model model_of(const std::string& path, const formats::Checkpoint& checkpoint) {
  Model model = Model::from_json(checkpoint.architecture);
  take_over(path, checkpoint.parameters, model.parameters());
  return model;
}

}  // namespace

void Model::save_weights(const std::string& path) const {
  const Status written = formats::write_checkpoint(path, to_json(), parameters());
  if (!written.ok()) throw RuntimeError(written.message());
}

void Model::load_weights(const std::string& path) {
  take_over(path, value_or_throw(formats::read_checkpoint(path)).parameters, parameters());
}

Model load_model(const std::string& path) {
  return model_of(path, value_or_throw(formats::read_checkpoint(path)));
}

Model formats::parse_model(const std::string& path, std::span<const char> file) {
  return model_of(path, value_or_throw(formats::parse_checkpoint(path, file)));
}

}  // namespace sluice
