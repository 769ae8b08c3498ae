#include "launch/port_file.h"

#include "core/atomic_file.h"

namespace sluice::launch {

Status write_port_file(const std::string& path, const std::string& address) {
  if (path.empty()) return ok_status();
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || address.starts_with("unix:")) {
    return invalid_argument("a port file needs an address with a port, not " + address);
  }
  const std::string line = address.substr(colon + 1) + "\n";
  return core::replace_file(path, {line});
}

}  // namespace sluice::launch
