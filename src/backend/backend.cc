#include "backend/cpu/cpu_backend.h"
#include "backend/replica.h"

namespace sluice::backend {

Result<std::shared_ptr<Backend>> open_backend(const std::string& device) {
  if (device == "auto" || device == "cpu") return make_cpu_backend();
  return not_found("device \"" + device +
                   "\": this build knows \"cpu\" and \"auto\"; use one of them");
}

}  // namespace sluice::backend
