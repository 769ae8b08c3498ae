#include "driver/job_event.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/count_text.h"

namespace sluice::driver {
namespace {

std::string where(const core::ProcessFacts& process) { return "(" + core::to_text(process) + ")"; }

struct ToText {
  core::TimePoint at;

  std::string operator()(const MemberJoined& e) const {
    const std::string line = e.who.to_string() + " joined";
    return e.address.empty() ? line : fmt::format("{}, listening at {}", line, e.address);
  }
  std::string operator()(const ServerFound& e) const {
    return fmt::format(
        "{} is reached at {}, where it came from: {}; start it with --advertise to choose the "
        "address",
        e.who.to_string(), e.address, e.why);
  }
  std::string operator()(const JoinRefused& e) const {
    return fmt::format("a {} {} was refused: {}", to_text(e.role), where(e.process),
                       e.why.message());
  }
  std::string operator()(const MemberEnded& e) const {
    const std::string line = fmt::format("{} {}", e.who.to_string(), e.fate);
    if (e.partition < 0) return line;
    return fmt::format("{}: partition {} goes back to the queue", line, e.partition);
  }
  std::string operator()(const LeaseGranted& e) const {
    return fmt::format("{} trains pushes {} to {} of partition {}", e.who.to_string(),
                       e.lease.next_sequence, e.lease.last, e.lease.partition);
  }
  std::string operator()(const LeaseFinished& e) const {
    return fmt::format("{} has trained partition {} up to push {}", e.who.to_string(), e.partition,
                       e.last);
  }
  std::string operator()(const LeaseCut& e) const {
    return fmt::format("pushes {} to {} of partition {} go from {} to {}, which has nothing to do",
                       e.first, e.last, e.partition, e.holder.to_string(), e.taker.to_string());
  }
  std::string operator()(const Straggler& e) const {
    const std::string line =
        fmt::format("{} is {:.1f} times slower than the others", e.who.to_string(), e.times_slower);
    if (e.given == 0) return line;
    return fmt::format("{}: in epoch {} they made {} of its pushes", line, e.epoch + 1, e.given);
  }
  std::string operator()(const WorkersWanted& e) const {
    return fmt::format("from now on {} worker(s) are wanted", e.workers);
  }
  std::string operator()(const ServersWanted& e) const {
    return fmt::format("from now on {} server(s) are wanted", e.servers);
  }
  std::string operator()(const ServersKept& e) const {
    return fmt::format("there are {} server(s) still, not {}: {}", e.servers, e.wanted, e.why);
  }
  std::string operator()(const ServersChanged& e) const { return driver::to_text(e); }
  std::string operator()(const GainChanged& e) const { return driver::to_text(e); }
  std::string operator()(const WaitsFor& e) const { return driver::to_text(e, at); }
  std::string operator()(const JobChanged& e) const {
    const std::string text = driver::to_text(e);
    return e.knob == kPaused && e.to == "yes" ? text + "; goes on with: sluice ctl resume" : text;
  }
  std::string operator()(const TrainingStarted&) const { return "training begins"; }
  std::string operator()(const Progress&) const { return ""; }
  std::string operator()(const EpochEnded&) const { return ""; }
  std::string operator()(const JobStopping& e) const {
    return "the workers end what they push: " + e.why;
  }
  std::string operator()(const JobEnding& e) const {
    return e.why.ok() ? "everything is trained" : "the job ends: " + e.why.message();
  }
};

}  // namespace

const char* to_text(wire::Role role) { return role == wire::Role::kServer ? "server" : "worker"; }

std::string MemberName::to_string() const {
  return fmt::format("{} {} {}", to_text(role), index, where(process));
}

std::string to_text(const JobChanged& change) {
  if (change.knob == kPaused) {
    return fmt::format("{} by {}", change.to == "yes" ? "paused" : "resumed", change.by);
  }
  return fmt::format("{}: {}, before {}, by {}", change.knob, change.to, change.from, change.by);
}

std::string to_text(const ServersChanged& change) {
  return fmt::format(
      "servers: {}, before {}; {:.1f} MB of the parameters are at another now, for which pushes "
      "were held for {:.3f} s at most",
      change.to, change.from, static_cast<double>(change.bytes) / 1e6, change.held_s);
}

std::string to_text(const GainChanged& change) {
  const bool scaled = change.scale < 1;
  return fmt::format(
      "gain: {} {} the servers {:.1f} times as far at once as one worker's step; pushes are {}",
      core::counted(change.workers, "worker", "workers"),
      scaled                ? "would move"
      : change.workers == 1 ? "moves"
                            : "move",
      change.gain, scaled ? fmt::format("scaled by {:.3g}", change.scale) : "not scaled");
}

std::string to_text(const WaitsFor& waits, core::TimePoint now) {
  if (waits.whom.empty()) return "";
  const auto seconds = [](core::Duration time) {
    return std::max<int64_t>(core::whole_seconds(time), 0);
  };
  const int64_t waited = waits.since == core::TimePoint{} ? 0 : seconds(now - waits.since);
  std::string text = waited == 0 ? "waiting for " : fmt::format("waiting {} s for ", waited);
  text += waits.whom;
  std::string facts;
  if (waits.seen) {
    facts = fmt::format("last seen {} s ago: {}", seconds(now - *waits.seen), waits.where);
  }
  if (waits.until) {
    facts +=
        fmt::format("{}given up in {} s", facts.empty() ? "" : "; ", seconds(*waits.until - now));
  }
  if (!facts.empty()) text += " (" + facts + ")";
  return waits.advice.empty() ? text : text + "; " + waits.advice;
}

std::string to_text(const JobEvent& event) { return std::visit(ToText{event.at}, event.what); }

}  // namespace sluice::driver
