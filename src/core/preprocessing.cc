#include "sluice/preprocessing.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/json_text.h"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr int64_t kMostNumbers = int64_t{1} << 40;  // of a record

[[noreturn]] void refuse(const std::string& what) {
  throw std::invalid_argument("preprocessing: " + what);
}

}  // namespace

std::string Preprocessing::to_json() const {
  const Json json = {{"version", kVersion},
                     {"sample_shape", sample_shape.dims()},
                     {"scale", scale ? Json(*scale) : Json()},
                     {"columns", columns},
                     {"target", target},
                     {"ignored", ignored},
                     {"class_names", class_names}};
  return core::json_text(json);
}

Preprocessing Preprocessing::from_json(std::string_view text) {
  Preprocessing result;
  const Json json = core::parse_json(text);
  try {
    if (json.at("version") != kVersion) {
      refuse("of version " + core::shown(json.at("version")) + ", this program reads version 1");
    }
    const auto dims = json.at("sample_shape").get<std::vector<int64_t>>();
    int64_t most = kMostNumbers;
    for (const int64_t size : dims) {
      if (size < 1 || size > most) refuse("a \"sample_shape\" that no record has");
      most /= size;
    }
    result.sample_shape = Shape(dims);
    const Json& scale = json.at("scale");
    result.scale.reset();
    if (!scale.is_null()) result.scale = scale.get<float>();
    json.at("columns").get_to(result.columns);
    json.at("target").get_to(result.target);
    json.at("ignored").get_to(result.ignored);
    json.at("class_names").get_to(result.class_names);
  } catch (const Json::exception&) {
    refuse("not as Sluice writes it");
  }
  if (result.scale && !std::isfinite(*result.scale)) refuse("a \"scale\" that is no finite number");
  return result;
}

}  // namespace sluice
