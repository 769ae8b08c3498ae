#include "core/version.h"

#include <string_view>

#include "sluice/version.h"

#define SLUICE_TEXT_OF_(value) #value
#define SLUICE_TEXT_OF(value) SLUICE_TEXT_OF_(value)

namespace sluice::core {

// One version, stated three times.
static_assert(std::string_view(SLUICE_VERSION) == SLUICE_PROJECT_VERSION,
              "CMakeLists.txt and sluice/version.h state different versions");
static_assert(std::string_view(SLUICE_VERSION) ==
                  SLUICE_TEXT_OF(SLUICE_VERSION_MAJOR) "." SLUICE_TEXT_OF(
                      SLUICE_VERSION_MINOR) "." SLUICE_TEXT_OF(SLUICE_VERSION_PATCH),
              "sluice/version.h states different versions");

const char* version() { return SLUICE_VERSION; }

}  // namespace sluice::core
