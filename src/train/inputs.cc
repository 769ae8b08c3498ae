#include "sluice/inputs.h"

#include "data/inputs.h"
#include "sluice/errors.h"
#include "sluice/model.h"

namespace sluice {
namespace {

std::vector<float> read(const std::string& path, const data::InputFormat& format) {
  std::vector<float> records;
  const auto kind = data::read_inputs(path, format, [&](std::span<const float> rows) {
    records.insert(records.end(), rows.begin(), rows.end());
    return ok_status();
  });
  const Status status = kind.status();
  if (status.ok()) return records;
  if (status.code() == StatusCode::kInvalidArgument) throw std::invalid_argument(status.message());
  throw RuntimeError(status.message());
}

}  // namespace

std::vector<float> read_inputs(const std::string& path, const Model& model) {
  return read(path, {model.input_shape(), model.preprocessing()});
}

std::vector<float> read_picture(const std::string& path, const Shape& shape) {
  return read(path, {shape, Preprocessing{.sample_shape = shape}});
}

}  // namespace sluice
