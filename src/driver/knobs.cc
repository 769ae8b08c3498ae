#include "driver/knobs.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <vector>

namespace sluice::driver {
namespace {

// --- learning-rate ---

std::string learning_rate_now(const wire::TrainingSpec& job, const wire::Knobs& knobs) {
  const LearningRate& own = job.optimizer.learning_rate;
  if (knobs.learning_rate) return fmt::format("{}", *knobs.learning_rate);
  return own.schedule.empty() ? fmt::format("{}", own.number) : own.schedule;
}

Status set_learning_rate(const wire::TrainingSpec& job, const std::string& value,
                         wire::Knobs& knobs) {
  const std::string& schedule = job.optimizer.learning_rate.schedule;
  if (!schedule.empty()) {
    return failed_precondition(fmt::format(
        "learning-rate: this job's follows {}, which is not changed; only a number is", schedule));
  }
  float rate = 0;
  const char* end = value.data() + value.size();
  const auto [stopped, error] = std::from_chars(value.data(), end, rate);
  if (error != std::errc() || stopped != end || !std::isfinite(rate) || rate <= 0) {
    return invalid_argument(
        fmt::format("learning-rate: expected a number above 0, got \"{}\"", value));
  }
  knobs.learning_rate = rate;
  return ok_status();
}

// --- max-staleness ---

constexpr const char* kNoBound = "none";

std::string max_staleness_now(const wire::TrainingSpec& job, const wire::Knobs& knobs) {
  if (job.trainer.algorithm->rounds) return "0 (rounds)";
  return knobs.max_staleness < 0 ? kNoBound : fmt::format("{}", knobs.max_staleness);
}

Status set_max_staleness(const wire::TrainingSpec& job, const std::string& value,
                         wire::Knobs& knobs) {
  if (job.trainer.algorithm->rounds) {
    return failed_precondition(
        fmt::format("max-staleness: {} trains in rounds, all workers of which wait for each other",
                    job.trainer.name()));
  }
  int64_t windows = -1;
  const char* end = value.data() + value.size();
  const auto [stopped, error] = std::from_chars(value.data(), end, windows);
  const bool is_number = error == std::errc() && stopped == end && windows >= 0;
  if (!is_number && value != kNoBound) {
    return invalid_argument(fmt::format(
        "max-staleness: expected a whole number of windows, 0 or more, or none, got \"{}\"",
        value));
  }
  knobs.max_staleness = is_number ? windows : -1;
  return ok_status();
}

constexpr Knob kKnobs[] = {
    {.name = "learning-rate",
     .value = "NUMBER",
     .help = "of the job's optimizer, at each worker within one window",
     .in_force = "at each worker within one window",
     .now = learning_rate_now,
     .set = set_learning_rate},
    {.name = "max-staleness",
     .value = "WINDOWS|none",
     .help = "how many windows a worker may be ahead of the slowest, at the servers at once",
     .in_force = "at the servers at once",
     .now = max_staleness_now,
     .set = set_max_staleness},
};

// --- What stays as it is ---

struct Fixed {
  std::string_view name;
  const char* why;
};
constexpr const char* kCounts = "which samples a push has, and how many there are, follows from it";
constexpr Fixed kFixed[] = {
    {"batch-size", kCounts},
    {"window", kCounts},
    {"epochs", kCounts},
    {"seed", kCounts},
    {"shuffle", kCounts},
    {"parallelism-factor", kCounts},
    {"dataset", kCounts},
    {"shards", "the parameters are cut into them"},
    {"model", "its parameters are what is trained"},
    {"optimizer", "what it keeps of the past is that of no other"},
    {"trainer", "workers and servers share its rules from the first push on"},
    {"loss", "the workers have compiled it"},
    {"metrics", "their counts are of whole epochs"},
    {"precision", "the workers have compiled it"},
    {"compress-push", "what the workers have kept back is of that"},
    {"compress-pull", "what the servers know of the workers is of that"},
    {"device", "the workers have compiled for it"},
};

std::string what_may_be() {
  std::vector<std::string> names;
  for (const Knob& knob : kKnobs) names.push_back(fmt::format("{} {}", knob.name, knob.value));
  return fmt::format("what can be: {}", fmt::join(names, ", "));
}

}  // namespace

std::span<const Knob> knobs() { return kKnobs; }

Result<const Knob*> find_knob(std::string_view name) {
  for (const Knob& knob : kKnobs) {
    if (knob.name == name) return &knob;
  }
  if (name == "workers") {
    return invalid_argument("workers are asked for with: sluice ctl scale workers=N");
  }
  if (name == "servers") {
    return invalid_argument("servers are asked for with: sluice ctl scale servers=N");
  }
  for (const Fixed& fixed : kFixed) {
    if (fixed.name != name) continue;
    return invalid_argument(fmt::format("{} cannot be changed while the job runs: {}; {}", name,
                                        fixed.why, what_may_be()));
  }
  return invalid_argument(
      fmt::format("nothing named \"{}\" can be changed; {}", name, what_may_be()));
}

}  // namespace sluice::driver
