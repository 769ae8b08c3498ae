#include "core/version.h"

namespace sluice::core {

const char* version() { return SLUICE_VERSION; }

}  // namespace sluice::core
