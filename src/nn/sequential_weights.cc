// Sequential's weights in checkpoint files.
#include <fmt/core.h>

#include <algorithm>

#include "nn/checkpoint.h"
#include "nn/sequential_impl.h"
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

Sequential model_of(const std::string& path, const nn::Checkpoint& checkpoint) {
  Sequential model = Sequential::from_json(checkpoint.architecture);
  take_over(path, checkpoint.parameters, model.parameters());
  return model;
}

}  // namespace

void Sequential::save_weights(const std::string& path) const {
  const Status written = nn::write_checkpoint(path, to_json(), parameters());
  if (!written.ok()) throw RuntimeError(written.message());
}

void Sequential::load_weights(const std::string& path) {
  take_over(path, value_or_throw(nn::read_checkpoint(path)).parameters, parameters());
}

Sequential load_model(const std::string& path) {
  return model_of(path, value_or_throw(nn::read_checkpoint(path)));
}

Sequential nn::parse_model(const std::string& path, std::span<const char> file) {
  return model_of(path, value_or_throw(nn::parse_checkpoint(path, file)));
}

}  // namespace sluice
