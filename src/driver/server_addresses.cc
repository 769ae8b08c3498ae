#include "driver/server_addresses.h"

namespace sluice::driver {
namespace {

bool is_loopback(const std::string& host) { return host.starts_with("127.") || host == "::1"; }

// An address "HOST:PORT" at another host; empty where there is none.
std::string at_host(const std::string& address, const std::string& host) {
  const size_t port = address.rfind(':');
  if (host.empty() || port == std::string::npos || address.starts_with("unix:")) return "";
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + address.substr(port);
}

}  // namespace

std::vector<std::string> possible_addresses(const Member& server) {
  std::vector<std::string> addresses = {server.address};
  const std::string from = at_host(server.address, server.came_from);
  if (!from.empty() && from != server.address) addresses.push_back(from);
  return addresses;
}

// A server on the driver's own host may have come over its loopback, and know no better address
// than its host's name. Workers elsewhere reach that host by the address by which they reach the
// driver.
std::string address_for(const Member& server, const Member& worker) {
  const bool elsewhere = !worker.came_to.empty() && !is_loopback(worker.came_from);
  if (elsewhere && server.address_guessed && is_loopback(server.came_from)) {
    return at_host(server.address, worker.came_to);
  }
  return server.address;
}

}  // namespace sluice::driver
