#include "driver/grant_machine.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>

#include "client/retry_machine.h"

namespace sluice::driver {

using Next = GrantMachine::Next;

Next GrantMachine::fenced(size_t server, const Result<wire::FenceReply>& reply) {
  if (decided_) return {};
  if (!reply.ok()) return failed(reply.status());
  if (reply->sequence < lease_.next_sequence - 1 || reply->sequence > lease_.last) {
    return failed(internal_error(
        fmt::format("a server was asked for pushes {} to {} of partition {}, and speaks of {}",
                    lease_.next_sequence, lease_.last, lease_.partition, reply->sequence)));
  }
  fences_[server] = *reply;
  return --missing_ > 0 ? Next() : resolve();
}

// Every server has answered.
Next GrantMachine::resolve() {
  const auto applied = std::ranges::minmax(fences_, {}, &wire::FenceReply::sequence);
  applied_ = applied.max.sequence;
  if (applied.min.sequence == applied_) return granted(applied_);
  Commit commit;
  commit.id = {lease_.partition, lease_.incarnation, applied_};
  for (size_t server = 0; server < fences_.size(); ++server) {
    const wire::FenceReply& fence = fences_[server];
    if (fence.sequence == applied_) {
      commit.superseded = commit.superseded || fence.superseded;
      continue;
    }
    if (fence.sequence != applied_ - 1 || !fence.staged) {
      return failed(internal_error(fmt::format(
          "a server has applied push {} of partition {}, and another, which has applied {}, does "
          "not have it: this is a bug in Sluice, please report it with the log",
          applied_, lease_.partition, fence.sequence)));
    }
    commit.servers.push_back(server);
  }
  missing_ = static_cast<int>(commit.servers.size());
  return {.commit = std::move(commit)};
}

Next GrantMachine::committed(const Status& status) {
  if (decided_) return {};
  if (!status.ok()) return failed(status);
  return --missing_ > 0 ? Next() : granted(applied_);
}

Next GrantMachine::granted(int64_t applied) {
  lease_.next_sequence = applied + 1;
  return decide(Outcome::kGranted, ok_status());
}

Next GrantMachine::failed(Status why) {
  const bool later = client::may_pass(why.code());
  return decide(later ? Outcome::kWait : Outcome::kFailed, std::move(why));
}

Next GrantMachine::decide(Outcome outcome, Status why) {
  decided_ = true;
  return {.decision = Decision{outcome, lease_, std::move(why)}};
}

}  // namespace sluice::driver
