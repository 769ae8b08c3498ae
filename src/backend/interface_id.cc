#include "backend/interface_id.h"

namespace sluice::backend {

const char* interface_id() { return SLUICE_INTERFACE_ID; }

}  // namespace sluice::backend
