#include "algorithm/algorithm.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "algorithm/options_json.h"
#include "algorithm/shared_rules.h"
#include "core/json_depth.h"
#include "optim/optimizer_json.h"

namespace sluice::algorithm {

// Each in the file of its name.
extern const Algorithm kAdag, kAeasgd, kAsyncDiLoCo, kAsyncSgd, kAveraging, kDcAsgd, kDiLoCo,
    kDownpour, kDynSgd, kEamsgd, kEnsemble, kExperimental, kFedBuff, kFedOpt, kHogwild, kLocalSgd,
    kSingle, kSlowMo, kSynchronous;

namespace {

using Json = nlohmann::ordered_json;

// More than any job has workers.
constexpr int64_t kMostBackups = int64_t{1} << 20;

// As people are shown them: Dist-Keras' first.
constexpr const Algorithm* kAlgorithms[] = {
    &kAdag,     &kDownpour, &kDynSgd,   &kAeasgd,  &kEamsgd,     &kExperimental, &kAveraging,
    &kEnsemble, &kSingle,   &kAsyncSgd, &kHogwild, &kDcAsgd,     &kSynchronous,  &kLocalSgd,
    &kFedOpt,   &kFedBuff,  &kSlowMo,   &kDiLoCo,  &kAsyncDiLoCo};

struct Registry {
  std::mutex mutex;
  std::vector<const Algorithm*> all{std::begin(kAlgorithms), std::end(kAlgorithms)};
  std::deque<Algorithm> added;  // by a program; they stay where they are
};
Registry& registry() {
  static Registry instance;
  return instance;
}

// Whether it may stand in JSON beside other keys, and in a flag.
bool is_name(const char* name) {
  if (name == nullptr || *name == 0) return false;
  const std::string_view text = name;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// The type of an option that jobs themselves act on, in any algorithm that has one of this name;
// nullptr: the algorithm's own affair.
const char* expected_by_jobs(std::string_view name) {
  if (name == "backup_workers") return expected_type(int64_t{});
  if (name == "overlap" || name == "scale_rate") return expected_type(bool{});
  return nullptr;
}

// What is wrong with an algorithm; empty: nothing.
std::string check(const Algorithm& algorithm) {
  if (!is_name(algorithm.name)) return "expected a name of a to z, 0 to 9 and \"_\"";
  if (algorithm.summary == nullptr) return "has no summary";
  if (algorithm.worker == nullptr) return "has no worker's half";
  if (algorithm.server == nullptr) return "has no server's half";
  if (algorithm.own_parameters && (algorithm.rounds || algorithm.steps_in_place)) {
    return "own_parameters goes with neither rounds nor steps_in_place";
  }
  if (algorithm.steps_in_place &&
      (algorithm.rounds || algorithm.answers_with_old || algorithm.keeps_bases)) {
    return "steps_in_place goes with none of rounds, answers_with_old and keeps_bases";
  }
  // What else stands where options do: see Choice.
  std::set<std::string_view> taken = {"name", "optimizer", "untrained", "undecayed"};
  for (const OptionSpec& option : algorithm.options) {
    if (!is_name(option.name)) {
      return "an option's name: expected one of a to z, 0 to 9 and \"_\"";
    }
    if (!taken.insert(option.name).second) {
      return fmt::format("option \"{}\": the name is taken; choose another", option.name);
    }
    if (const char* type = expected_by_jobs(option.name);
        type != nullptr && std::string_view(type) != expected_type(option.fallback)) {
      return fmt::format("option \"{}\": jobs read it, and expect {}", option.name, type);
    }
    if (const char* wrong = option.check(option.fallback)) {
      return fmt::format("option \"{}\": its own default will not do: {}", option.name, wrong);
    }
  }
  return "";
}

Json as_json(const Choice& choice) {
  Json json = {{"name", choice.algorithm->name}};
  json.update(to_json(choice.options));
  return json;
}

// An object with a name.
Json parse(const std::string& text) {
  if (const std::string wrong = core::check_json_depth(text); !wrong.empty()) {
    throw std::invalid_argument("algorithm: " + wrong);
  }
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("name") || !json["name"].is_string()) {
    throw std::invalid_argument(
        fmt::format("algorithm: expected an object like {{\"name\": \"adag\"}}, got {}",
                    text.empty() ? "nothing" : text.substr(0, 200)));
  }
  return json;
}

Choice choice_from(Json json) {
  Choice choice(json["name"].get<std::string>());
  json.erase("name");
  from_json(json, choice.options);
  return choice;
}

Json ranges_json(const std::vector<ParameterRange>& ranges) {
  Json json = Json::array();
  for (const auto& [offset, size] : ranges) json.push_back({offset, size});
  return json;
}

// Takes the ranges of this name out of the rule.
std::vector<ParameterRange> take_ranges(Json& rule, const char* name) {
  const Json json = rule.value(name, Json::array());
  rule.erase(name);
  constexpr uint64_t kMost = uint64_t{1} << 40;  // floats; sums stay far from overflowing
  const auto fail = [name] {
    throw std::invalid_argument(fmt::format(
        "update rule: \"{}\": expected ranges [offset, size] in order and apart", name));
  };
  if (!json.is_array()) fail();
  std::vector<ParameterRange> ranges;
  for (const Json& range : json) {
    if (!range.is_array() || range.size() != 2 || !range[0].is_number_unsigned() ||
        !range[1].is_number_unsigned()) {
      fail();
    }
    const auto offset = range[0].get<uint64_t>(), size = range[1].get<uint64_t>();
    if (offset > kMost || size > kMost) fail();
    if (!ranges.empty() && offset < ranges.back().offset + ranges.back().size) fail();
    ranges.push_back({offset, size});
  }
  return ranges;
}

}  // namespace

void register_algorithm(const Algorithm& algorithm) {
  std::string wrong = check(algorithm);
  std::lock_guard lock(registry().mutex);
  const auto has_its_name = [&](const Algorithm* other) {
    return std::string_view(other->name) == algorithm.name;
  };
  if (wrong.empty() && std::ranges::any_of(registry().all, has_its_name)) {
    wrong = "there is an algorithm of this name; choose another";
  }
  if (!wrong.empty()) {
    throw std::invalid_argument(
        fmt::format("register_algorithm(\"{}\"): {}", algorithm.name ? algorithm.name : "", wrong));
  }
  registry().all.push_back(&registry().added.emplace_back(algorithm));
}

std::vector<const Algorithm*> algorithms() {
  std::lock_guard lock(registry().mutex);
  return registry().all;
}

std::string normalized_name(std::string name) {
  for (char& c : name) {
    c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name;
}

const Algorithm& find_algorithm(const std::string& name) {
  const std::string wanted = normalized_name(name);
  std::string known;
  for (const Algorithm* algorithm : algorithms()) {
    if (wanted == algorithm->name) return *algorithm;
    known += (known.empty() ? "" : ", ") + std::string(algorithm->name);
  }
  throw std::invalid_argument(fmt::format(
      "unknown trainer \"{}\": use one of {}; a program registers its own before init()", name,
      known));
}

std::vector<std::string> algorithm_names() {
  std::vector<std::string> names;
  for (const Algorithm* algorithm : algorithms()) names.emplace_back(algorithm->name);
  return names;
}

std::vector<SharedOption> all_options() {
  std::vector<SharedOption> all;
  for (const Algorithm* algorithm : algorithms()) {
    for (const OptionSpec& spec : algorithm->options) {
      const auto known = std::find_if(all.begin(), all.end(), [&](const SharedOption& option) {
        return std::string_view(option.spec.name) == spec.name;
      });
      if (known == all.end()) {
        all.push_back({spec, {algorithm->name}, {spec.fallback}});
      } else {
        known->algorithms.emplace_back(algorithm->name);
        known->fallbacks.push_back(spec.fallback);
      }
    }
  }
  return all;
}

bool Choice::overlaps() const { return options.has("overlap") && options.flag("overlap"); }

OptimizerSpec Choice::worker_optimizer(const OptimizerSpec& optimizer) const {
  if (algorithm->worker_optimizer == nullptr) return optimizer;
  return algorithm->worker_optimizer(options, optimizer);
}

double Choice::rate_scale(int workers) const {
  const bool scales = options.has("scale_rate") && options.flag("scale_rate");
  return scales ? gain().rate_scale(workers) : 1;
}

std::string Choice::to_json() const { return as_json(*this).dump(); }

std::string Choice::to_update_rule(const OptimizerSpec& optimizer,
                                   const std::vector<ParameterRange>& untrained,
                                   const std::vector<ParameterRange>& undecayed) const {
  if ((algorithm->steps_in_place || algorithm->own_parameters) && optimizer.use_ema) {
    throw std::invalid_argument(
        fmt::format("optimizer: use_ema: with {} the servers keep no averages; choose another "
                    "trainer",
                    algorithm->name));
  }
  Json json = as_json(*this);
  json["optimizer"] = optimizer;
  json["untrained"] = ranges_json(untrained);
  json["undecayed"] = ranges_json(undecayed);
  return json.dump();
}

Choice Choice::from_json(const std::string& text) { return choice_from(parse(text)); }

ShardRule make_shard_rule(const std::string& text, size_t shard_size, size_t shard_offset) {
  Json json = parse(text);
  if (!json.contains("optimizer")) {
    throw std::invalid_argument("update rule: expected an \"optimizer\" besides the algorithm");
  }
  OptimizerSpec optimizer = json["optimizer"].get<OptimizerSpec>();
  json.erase("optimizer");
  std::vector<ParameterRange> untrained = take_ranges(json, "untrained");
  Shard shard{shard_size};
  const auto add = [&](size_t at, size_t n) { shard.undecayed.push_back({at, n}); };
  optim::for_each_piece(
      take_ranges(json, "undecayed"), shard_offset, shard_size, [](size_t, size_t) {}, add);
  const Choice choice = choice_from(std::move(json));
  ShardRule rule;
  rule.algorithm = choice.algorithm;
  if (choice.options.has("backup_workers")) {
    rule.backups = std::clamp(choice.options.whole("backup_workers"), int64_t{0}, kMostBackups);
  }
  if (optimizer.use_ema) rule.average.emplace(optimizer, untrained, shard_offset);
  optimizer.use_ema = false;
  rule.update = choice.algorithm->server(choice.options, optimizer, shard);
  if (!rule.update) {
    throw std::invalid_argument(
        fmt::format("the algorithm {} makes no server's half", choice.name()));
  }
  if (!untrained.empty()) {
    rule.update =
        make_rule_with_state(std::move(rule.update), std::move(untrained), shard, shard_offset);
  }
  return rule;
}

}  // namespace sluice::algorithm
