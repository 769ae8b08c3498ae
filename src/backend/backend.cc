#include <stdexcept>

#include "backend/cpu/cpu_backend.h"
#include "backend/replica.h"

namespace sluice::backend {

Precision parse_precision(const std::string& name) {
  if (name == "float32") return Precision::kFloat32;
  if (name == "mixed_bfloat16") return Precision::kMixedBfloat16;
  throw std::invalid_argument("precision \"" + name +
                              "\" is not known; use float32 or mixed_bfloat16");
}

Result<std::shared_ptr<Backend>> open_backend(const std::string& device) {
  if (device == "auto" || device == "cpu") return make_cpu_backend();
  return not_found("device \"" + device +
                   "\": this build knows \"cpu\" and \"auto\"; use one of them");
}

}  // namespace sluice::backend
