#include "driver/grant_machine.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>

#include "client/retry_machine.h"

namespace sluice::driver {

std::optional<GrantMachine::Decision> GrantMachine::fenced(const Result<wire::FenceReply>& reply) {
  if (decided_) return std::nullopt;
  if (!reply.ok()) {
    const bool later = client::may_pass(reply.status().code());
    return decide(later ? Outcome::kWait : Outcome::kFailed, reply.status());
  }
  if (reply->sequence < lease_.next_sequence - 1 || reply->sequence > lease_.last) {
    return decide(Outcome::kFailed,
                  internal_error(fmt::format(
                      "a server was asked for pushes {} to {} of partition {}, and speaks of {}",
                      lease_.next_sequence, lease_.last, lease_.partition, reply->sequence)));
  }
  least_ = std::min(least_, reply->sequence);
  if (--missing_ > 0) return std::nullopt;
  lease_.next_sequence = least_ + 1;
  return decide(Outcome::kGranted, ok_status());
}

GrantMachine::Decision GrantMachine::decide(Outcome outcome, Status why) {
  decided_ = true;
  return {outcome, lease_, std::move(why)};
}

}  // namespace sluice::driver
