#include "wire/parameter_client.h"

#include <algorithm>

#include "core/check.h"

namespace sluice::wire {

using core::TimePoint;
using PulledVersion = ParameterChannel::PulledVersion;

namespace {

TimePoint now() { return std::chrono::steady_clock::now(); }

bool may_pass(StatusCode code) {
  return code == StatusCode::kUnavailable || code == StatusCode::kDeadlineExceeded ||
         code == StatusCode::kResourceExhausted;
}

}  // namespace

// One shard's part of the exchange that is under way.
struct ParameterClient::Call {
  enum class State { kQueued, kInFlight, kWaitingToRetry, kDone, kFailed };

  Kind kind = Kind::kPull;
  PushHeader header;
  Payload update;
  std::span<float> into;
  State state = State::kDone;
  Status status;
  int attempts = 0;
  TimePoint issued_at{};
  TimePoint first_failure{};
  TimePoint retry_at{};
};

ParameterClient::ParameterClient(Transport& transport, uint64_t job, ShardMap shard_map,
                                 const std::vector<std::string>& servers,
                                 const ParameterClientOptions& options, std::function<bool()> stop,
                                 std::function<void(const std::string&)> waiting_for)
    : transport_(transport),
      job_(job),
      shard_map_(std::move(shard_map)),
      options_(options),
      servers_(servers),
      stop_(std::move(stop)),
      waiting_for_(std::move(waiting_for)),
      versions_(static_cast<size_t>(shard_map_.size())),
      jitter_(job, {static_cast<uint64_t>(now().time_since_epoch().count())}) {
  SLUICE_CHECK(options.calls_per_server > 0);
  for (const std::string& address : servers_) {
    channels_.push_back(transport.connect_parameters(address));
  }
  in_flight_.resize(channels_.size());
  for (int i = 0; i < shard_map_.size(); ++i) calls_.push_back(std::make_unique<Call>());
}

ParameterClient::~ParameterClient() { settle(); }

bool ParameterClient::idle() const {
  return !starting_ &&
         std::count(in_flight_.begin(), in_flight_.end(), 0) == std::ssize(in_flight_);
}

ParameterClient::Call* ParameterClient::next_queued() {
  for (const auto& call : calls_) {
    if (call->state != Call::State::kQueued) continue;
    const auto server = static_cast<size_t>(shard_map_[call->header.shard].server);
    if (in_flight_[server] < options_.calls_per_server) return call.get();
  }
  return nullptr;
}

// Calls may end before issue() returns, on this thread or another, and come back here: whoever is
// here already goes on for them.
void ParameterClient::start_queued(std::unique_lock<std::mutex>& lock) {
  if (starting_) return;
  starting_ = true;
  while (Call* call = next_queued()) issue(lock, *call);
  starting_ = false;
  changed_.notify_all();
}

// Lets go of the lock while the call starts.
void ParameterClient::issue(std::unique_lock<std::mutex>& lock, Call& call) {
  const auto server = static_cast<size_t>(shard_map_[call.header.shard].server);
  const CallOptions options{std::min(options_.call_timeout, options_.give_up_after)};
  auto done = [this, &call](Result<PulledVersion> result) { complete(call, std::move(result)); };
  call.state = Call::State::kInFlight;
  call.issued_at = now();
  ++call.attempts;
  ++in_flight_[server];
  lock.unlock();
  if (call.kind == Kind::kPull) {
    channels_[server]->pull(job_, call.header.shard, call.into, options, std::move(done));
  } else {
    channels_[server]->exchange(call.header, call.update, call.into, options, std::move(done));
  }
  lock.lock();
}

// Holds the lock to its end: the client may be destroyed as soon as nothing is in flight.
void ParameterClient::complete(Call& call, Result<PulledVersion> result) {
  std::unique_lock lock(mutex_);
  --in_flight_[static_cast<size_t>(shard_map_[call.header.shard].server)];
  if (result.ok()) {
    versions_[static_cast<size_t>(call.header.shard)] = result->version;
    call.update = {};
    call.state = Call::State::kDone;
  } else {
    call.status = result.status();
    if (call.first_failure == TimePoint{}) call.first_failure = now();
    const bool retry =
        may_pass(call.status.code()) && now() - call.first_failure < options_.give_up_after;
    call.retry_at = now() + backoff(call.attempts);
    call.state = retry ? Call::State::kWaitingToRetry : Call::State::kFailed;
  }
  start_queued(lock);
}

core::Duration ParameterClient::backoff(int attempt) {
  const auto pause =
      std::min(options_.first_backoff * (1 << std::min(attempt - 1, 10)), options_.largest_backoff);
  return core::from_seconds(core::to_seconds(pause) * (0.5 + 0.5 * jitter_.uniform()));
}

void ParameterClient::start_all(Kind kind, const PushHeader& header,
                                std::shared_ptr<const core::AlignedBuffer> update,
                                std::span<float> into, std::span<const int64_t> base_versions) {
  std::unique_lock lock(mutex_);
  for (const Shard& shard : shard_map_.shards()) {
    Call& call = *calls_[static_cast<size_t>(shard.index)];
    SLUICE_CHECK(call.state == Call::State::kDone) << "an exchange is under way";
    call.state = Call::State::kQueued;
    call.kind = kind;
    call.header = header;
    call.header.job = job_;
    call.header.shard = shard.index;
    call.header.base_version = base_versions[static_cast<size_t>(shard.index)];
    if (shard.index != 0) call.header.metrics.clear();
    if (update) call.update = {update, update->span().subspan(shard.offset, shard.size)};
    call.into = into.subspan(shard.offset, shard.size);
    call.attempts = 0;
    call.first_failure = {};
  }
  start_queued(lock);
}

Status ParameterClient::pull(std::span<float> into) {
  start_all(Kind::kPull, {}, nullptr, into, versions_);
  return wait();
}

void ParameterClient::start_exchange(const PushHeader& header,
                                     std::shared_ptr<const core::AlignedBuffer> update,
                                     std::span<float> into,
                                     std::span<const int64_t> base_versions) {
  start_all(Kind::kExchange, header, std::move(update), into,
            base_versions.empty() ? std::span<const int64_t>(versions_) : base_versions);
}

Status ParameterClient::wait() {
  said_ = Said::kNothing;
  Status status = wait_for_answers();
  if (!status.ok()) status = abandon(std::move(status));
  if (said_ != Said::kNothing) waiting_for_("");
  return status;
}

Status ParameterClient::wait_for_answers() {
  std::unique_lock lock(mutex_);
  for (;;) {
    Call* retry = nullptr;   // the first to be repeated
    Call* oldest = nullptr;  // the one that is under way for the longest time
    bool done = idle();
    for (const auto& call : calls_) {
      if (call->state == Call::State::kFailed) return call->status;
      if (call->state != Call::State::kDone) done = false;
      if (call->state == Call::State::kInFlight &&
          (oldest == nullptr || call->issued_at < oldest->issued_at)) {
        oldest = call.get();
      }
      if (call->state == Call::State::kWaitingToRetry &&
          (retry == nullptr || call->retry_at < retry->retry_at)) {
        retry = call.get();
      }
    }
    if (done) return ok_status();
    if (stop_()) return cancelled("stopped");
    say_whom(retry, oldest);
    if (retry != nullptr && retry->retry_at <= now()) {
      retry->state = Call::State::kQueued;
      start_queued(lock);
      continue;
    }
    // Short enough to see `stop`, which nobody signals.
    auto until = now() + std::chrono::milliseconds(100);
    if (retry != nullptr) until = std::min(until, retry->retry_at);
    changed_.wait_until(lock, until);
  }
}

// Once when an answer is overdue, and once with the reason when a call has failed.
void ParameterClient::say_whom(const Call* retry, const Call* oldest) {
  if (retry != nullptr && said_ != Said::kFailed) {
    said_ = Said::kFailed;
    waiting_for_(retry->status.message());
  } else if (said_ == Said::kNothing && oldest != nullptr &&
             now() - oldest->issued_at >= options_.speak_after) {
    said_ = Said::kOverdue;
    const auto server = static_cast<size_t>(shard_map_[oldest->header.shard].server);
    waiting_for_("server at " + servers_[server] + " has not answered yet");
  }
}

// Leaves no call behind: those in flight may still write into the caller's buffers.
Status ParameterClient::abandon(Status status) {
  std::unique_lock lock(mutex_);
  for (const auto& call : calls_) {
    if (call->state == Call::State::kQueued) call->state = Call::State::kDone;
  }
  changed_.wait(lock, [this] { return !starting_; });
  for (size_t server = 0; server < channels_.size(); ++server) {
    if (in_flight_[server] == 0) continue;
    // Giving up a channel cuts off its calls, which a dead server would hold to their deadlines.
    // Nobody else uses it now: nothing is queued, and only this thread queues.
    lock.unlock();
    channels_[server] = transport_.connect_parameters(servers_[server]);
    lock.lock();
  }
  changed_.wait(lock, [this] { return idle(); });
  for (const auto& call : calls_) {
    call->state = Call::State::kDone;
    call->update = {};
  }
  return status;
}

}  // namespace sluice::wire
