// What people want changed while the job runs.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "core/cores.h"
#include "core/process_info.h"
#include "driver/driver.h"
#include "driver/knobs.h"

namespace sluice::driver {
namespace {

struct Verb {
  std::string_view name;
  size_t arguments;  // how many
};
constexpr Verb kVerbs[] = {
    {"stop", 0}, {"pause", 0}, {"resume", 0}, {"set", 2}, {"scale", 1},
};
// More are a slip of the finger: they would only wait for one another.
constexpr int kMostPerCore = 64;

}  // namespace

void Driver::command(const wire::CommandRequest& request,
                     core::Reply<Result<wire::CommandReply>> reply) {
  strand_->post([this, request, reply = std::move(reply)]() mutable {
    const Result<std::string> said = obey(request);
    reply(said.ok() ? Result<wire::CommandReply>(wire::CommandReply{*said}) : said.status());
    changed();
  });
}

Result<std::string> Driver::obey(const wire::CommandRequest& request) {
  const auto& arguments = request.arguments;
  const std::string by = "sluice ctl (" + core::to_text(request.process) + ")";
  const auto verb = std::ranges::find(kVerbs, request.verb, &Verb::name);
  if (verb == std::end(kVerbs)) {
    return invalid_argument(fmt::format(
        "\"{}\" is nothing that this driver does: it can stop, pause, resume, set, scale",
        request.verb));
  }
  if (arguments.size() != verb->arguments) {
    return invalid_argument(fmt::format("{}: expected {} argument(s), got {}", request.verb,
                                        verb->arguments, arguments.size()));
  }
  const bool ends = stage_ == Stage::kCollecting || stage_ == Stage::kEnding ||
                    stage_ == Stage::kEnded || coordinator_.over();
  if (request.verb == "stop") return obey_stop(by, ends);
  if (ends || !stopping_.empty()) {
    return failed_precondition("the job is about to end: nothing is changed any more");
  }
  if (request.verb == "set") return obey_set(arguments[0], arguments[1], by);
  if (request.verb == "scale") return obey_scale(arguments[0], by);
  return obey_pause(request.verb == "pause", by);
}

Result<std::string> Driver::obey_stop(const std::string& by, bool ends) {
  if (ends) return std::string("the job is about to end by itself");
  const std::string reason = "the driver was stopped by " + by;
  if (may_keep()) {
    stop_and_keep(reason, kKeepingPatiently);
    return std::string("stopping: the workers end what they push, and what was learned is saved");
  }
  fail(cancelled(reason));
  return std::string(options_.keep_when_stopped
                         ? "stopping: nothing was learned yet"
                         : "stopping: the job was started without --save and --report");
}

Result<std::string> Driver::obey_set(const std::string& name, const std::string& value,
                                     const std::string& by) {
  SLUICE_ASSIGN_OR_RETURN(const Knob* knob, find_knob(name));
  wire::Knobs wanted = coordinator_.knobs();
  const std::string before = knob->now(options_.training, wanted);
  SLUICE_RETURN_IF_ERROR(knob->set(options_.training, value, wanted));
  const std::string after = knob->now(options_.training, wanted);
  if (after == before) return fmt::format("{} is {} already", name, before);
  turn(wanted, {name, before, after, by});
  return fmt::format("{}: {}, before {}; in force {}", name, after, before, knob->in_force);
}

Result<std::string> Driver::obey_pause(bool paused, const std::string& by) {
  wire::Knobs wanted = coordinator_.knobs();
  if (wanted.paused == paused) {
    return std::string(paused ? "the job is paused already" : "the job is not paused");
  }
  wanted.paused = paused;
  turn(wanted, {kPaused, paused ? "no" : "yes", paused ? "yes" : "no", by});
  return std::string(paused ? "paused: each worker pushes the window that it is at, and waits then"
                            : "resumed");
}

Result<std::string> Driver::obey_scale(const std::string& what, const std::string& by) {
  const auto number_behind = [&](std::string_view name) -> std::optional<int64_t> {
    int64_t number = 0;
    if (!what.starts_with(name)) return std::nullopt;
    const char* const end = what.data() + what.size();
    const auto [stopped, error] = std::from_chars(what.data() + name.size(), end, number);
    if (error != std::errc() || stopped != end) return std::nullopt;
    return number;
  };
  if (const auto workers = number_behind("workers=")) return scale_workers(*workers, by);
  if (const auto servers = number_behind("servers=")) return scale_servers(*servers, by);
  return invalid_argument(fmt::format("scale: expected workers=N or servers=N, got \"{}\"", what));
}

// What is asked for must be possible by all that is known: whoever starts the workers only says on
// the job's screen what has failed.
Result<std::string> Driver::scale_workers(int64_t workers, const std::string& by) {
  if (!options_.starts_members) {
    return failed_precondition(
        "the workers of this job are started elsewhere: start more there with sluice worker, or "
        "send some SIGTERM, at which they make room");
  }
  const int before = coordinator_.workers_wanted();
  const int missing = before - coordinator_.live(wire::Role::kWorker);
  if (workers == before && missing <= 0) return fmt::format("workers are {} already", before);
  SLUICE_RETURN_IF_ERROR(coordinator_.may_have(workers).with_context("scale"));
  if (workers > before) {
    const int most = std::max(options_.workers, kMostPerCore * core::available_cores());
    if (options_.max_workers == 0 && workers > most) {
      return invalid_argument(fmt::format(
          "scale: expected at most {} worker(s), {} for each core of this machine, got {}; start "
          "the job with --max-workers {} if you mean it",
          most, kMostPerCore, workers, workers));
    }
    const int members = static_cast<int>(workers) + servers();
    SLUICE_RETURN_IF_ERROR(core::check_limits(members).with_context("scale"));
  }
  SLUICE_RETURN_IF_ERROR(coordinator_.scale(workers, world_.now()).with_context("scale"));
  if (workers == before) {
    return fmt::format(
        "workers are {} already, of which {} {} missing: whoever has been given up is started "
        "again, others are on their way",
        before, missing, missing == 1 ? "is" : "are");
  }
  tell({"workers", fmt::format("{}", before), fmt::format("{}", workers), by});
  return fmt::format(
      "workers: {}, before {}; {}", workers, before,
      workers > before ? "the others are started" : "the last ones end what they push, and leave");
}

// The rest comes when the servers that are missing have joined: training goes on meanwhile.
Result<std::string> Driver::scale_servers(int64_t wanted, const std::string& by) {
  const int before = coordinator_.servers_wanted();
  if (wanted < 1 || wanted > wire::kMostShards) {
    return invalid_argument(
        fmt::format("scale: expected 1 to {} server(s), got {}", wire::kMostShards, wanted));
  }
  const auto count = static_cast<int>(wanted);
  if (count == before) return fmt::format("servers are {} already", before);
  if (moving_) {
    return failed_precondition("scale: the parameters are on their way to other servers just now");
  }
  const algorithm::Choice& trainer = options_.training.trainer;
  if (!trainer.algorithm->server(trainer.options, options_.training.optimizer, {})->state()) {
    return failed_precondition(
        fmt::format("scale: the trainer {} does not say what its rule keeps (UpdateRule::state): "
                    "its servers stay as they are",
                    trainer.name()));
  }
  try {
    (void)shard_map_of(options_, parameters_->size(), count);
  } catch (const std::invalid_argument& error) {
    return invalid_argument(fmt::format("scale: {}", error.what()));
  }
  if (count > before && options_.starts_members) {
    const int most = std::max(options_.servers, kMostPerCore * core::available_cores());
    if (count > most) {
      return invalid_argument(fmt::format(
          "scale: expected at most {} server(s), {} for each core of this machine, got {}", most,
          kMostPerCore, count));
    }
    SLUICE_RETURN_IF_ERROR(
        core::check_limits(coordinator_.workers_wanted() + count).with_context("scale"));
  }
  SLUICE_RETURN_IF_ERROR(coordinator_.scale_servers(count, world_.now()).with_context("scale"));
  tell({"servers", fmt::format("{}", before), fmt::format("{}", count), by});
  if (count <= servers()) {
    return fmt::format("servers: {}, before {}; {}", count, before,
                       count < servers()
                           ? "the last ones give their shards to the others, and leave"
                           : "those that have joined leave again");
  }
  return fmt::format(
      "servers: {}, before {}; {}; shards go there when all have joined", count, before,
      options_.starts_members ? "the others are started" : coordinator_.how_to_start("server"));
}

void Driver::turn(wire::Knobs wanted, JobChanged change) {
  ++wanted.revision;
  coordinator_.set_knobs(wanted, world_.now());
  tell(std::move(change));
}

void Driver::tell(JobChanged change) {
  const core::TimePoint now = world_.now();
  changes_.emplace_back(now, change);
  observer_.on_event({now, std::move(change)});
}

}  // namespace sluice::driver
