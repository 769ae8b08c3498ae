// Driver's answers to its members.
#include "core/log.h"
#include "driver/driver.h"

namespace sluice::driver {
namespace {

constexpr wire::CallOptions kFenceCall{.timeout = std::chrono::seconds(5)};
constexpr size_t kFetchBytes = size_t{2} << 20;  // per message of a partition's stream

core::TimePoint now() { return std::chrono::steady_clock::now(); }

}  // namespace

Result<wire::JoinReply> Driver::join(const wire::JoinRequest& request) {
  std::lock_guard lock(mutex_);
  return coordinator_.join(request, now());
}

// A grant is two decisions with a round trip between them: no push under an older lease may be
// applied once the new holder has been told where to start.
Result<wire::AcquireReply> Driver::acquire(int64_t member) {
  std::vector<std::shared_ptr<wire::ParameterChannel>> channels;
  Result<wire::AcquireReply> reply = internal_error("");
  {
    std::lock_guard lock(mutex_);
    reply = coordinator_.acquire(member, now());
    channels = channels_;
  }
  if (!reply.ok() || reply->kind != wire::AcquireReply::Kind::kGranted) return reply;
  wire::Lease& lease = reply->lease;
  int64_t sequence = -1;
  for (const auto& channel : channels) {
    const auto fenced = channel->fence({job_, lease.partition, lease.incarnation}, kFenceCall);
    if (!fenced.ok()) {
      std::lock_guard lock(mutex_);
      coordinator_.not_granted(lease.partition, lease.incarnation);
      wire::AcquireReply wait;
      wait.retry_after = std::chrono::seconds(1);
      wait.reason = fenced.status().message();
      return wait;
    }
    sequence = sequence < 0 ? fenced->sequence : std::min(sequence, fenced->sequence);
  }
  lease.next_sequence = sequence + 1;
  std::lock_guard lock(mutex_);
  coordinator_.granted(lease.partition, lease.incarnation, now());
  return reply;
}

Result<wire::HeartbeatReply> Driver::heartbeat(const wire::HeartbeatRequest& request) {
  std::lock_guard lock(mutex_);
  return coordinator_.heartbeat(request, now());
}

Status Driver::finish(const wire::FinishRequest& request) {
  std::lock_guard lock(mutex_);
  return coordinator_.finish(request, now());
}

Status Driver::leave(const wire::LeaveRequest& request) {
  std::lock_guard lock(mutex_);
  return coordinator_.leave(request, now());
}

Status Driver::fetch_partition(int64_t partition, int64_t first,
                               const std::function<bool(const wire::RecordChunk&)>& sink) {
  if (partition < 0 || partition >= partitioning_.partitions()) {
    return not_found("there is no partition " + std::to_string(partition));
  }
  const std::vector<uint32_t> indices = partitioning_.records(partition);
  const size_t record_bytes = records_->info().record_bytes();
  const size_t per_chunk = std::max<size_t>(kFetchBytes / record_bytes, 1);
  std::vector<std::byte> features;
  std::vector<int32_t> labels;
  for (size_t begin = static_cast<size_t>(std::max<int64_t>(first, 0)); begin < indices.size();
       begin += per_chunk) {
    const size_t count = std::min(per_chunk, indices.size() - begin);
    features.clear();
    labels.clear();
    for (size_t i = begin; i < begin + count; ++i) {
      const auto record = records_->features().subspan(indices[i] * record_bytes, record_bytes);
      features.insert(features.end(), record.begin(), record.end());
      labels.push_back(records_->labels()[indices[i]]);
    }
    if (!sink({static_cast<int64_t>(begin), static_cast<int64_t>(count), features, labels})) {
      return cancelled("the worker stopped reading");
    }
  }
  return ok_status();
}

}  // namespace sluice::driver
