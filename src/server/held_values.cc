#include "server/held_values.h"

#include <utility>

namespace sluice::server {

wire::Payload HeldValues::taken(int64_t member, uint64_t name) {
  const auto found = members_.find(member);
  if (name == 0 || found == members_.end()) return {};
  auto& [taken, given] = found->second;
  if (given.name == name) taken = std::exchange(given, {});
  return taken.name == name ? taken.values : wire::Payload();
}

void HeldValues::given(int64_t member, uint64_t name, wire::Payload values) {
  members_[member].given = {name, std::move(values)};
}

}  // namespace sluice::server
