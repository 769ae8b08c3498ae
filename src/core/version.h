// The version of this build: "0.1.0".
#pragma once

namespace sluice::core {

const char* version();

}  // namespace sluice::core
