// A model's weights in checkpoint files.
#include <fmt/core.h>

#include <algorithm>

#include "nn/checkpoint.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"

namespace sluice {
namespace {

nn::Checkpoint value_or_throw(Result<nn::Checkpoint> checkpoint) {
  if (!checkpoint.ok()) throw RuntimeError(checkpoint.status().message());
  return *std::move(checkpoint);
}

// Into `model`, or nothing changes.
void take_over(const std::string& path, const core::ParameterSet& from, core::ParameterSet& model) {
  if (const Status same = nn::check_same_layout(from.layout(), model.layout()); !same.ok()) {
    throw RuntimeError(fmt::format("checkpoint {} {}", path, same.message()));
  }
  std::copy(from.values().begin(), from.values().end(), model.values().begin());
}

Model model_of(const std::string& path, const nn::Checkpoint& checkpoint) {
  Model model = Model::from_json(checkpoint.architecture);
  take_over(path, checkpoint.parameters, model.parameters());
  return model;
}

}  // namespace

void Model::save_weights(const std::string& path) const {
  const Status written = nn::write_checkpoint(path, to_json(), parameters());
  if (!written.ok()) throw RuntimeError(written.message());
}

void Model::load_weights(const std::string& path) {
  take_over(path, value_or_throw(nn::read_checkpoint(path)).parameters, parameters());
}

Model load_model(const std::string& path) {
  return model_of(path, value_or_throw(nn::read_checkpoint(path)));
}

Model nn::parse_model(const std::string& path, std::span<const char> file) {
  return model_of(path, value_or_throw(nn::parse_checkpoint(path, file)));
}

}  // namespace sluice
