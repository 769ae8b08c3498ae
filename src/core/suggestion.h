// What somebody may have meant who wrote a name that does not exist.
#pragma once

#include <string>
#include <vector>

namespace sluice::core {

// The nearest of `names`, dashes before them apart, or else the only one that begins with `wrong`;
// an empty string when none can have been meant.
std::string nearest(const std::string& wrong, const std::vector<std::string>& names);

}  // namespace sluice::core
