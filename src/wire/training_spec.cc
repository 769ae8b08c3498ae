#include "wire/training_spec.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/json_depth.h"
#include "core/json_text.h"
#include "loss/loss_json.h"
#include "optim/optimizer_json.h"
#include "wire/parameters.h"

namespace sluice::wire {
namespace {

using Json = nlohmann::ordered_json;

// Calls visit(key, field) for every field; reading and writing share the list.
template <typename Spec, typename Visit>
void visit_fields(Spec& spec, Visit visit) {
  visit("model", spec.model);
  visit("losses", spec.losses);
  visit("loss_weights", spec.loss_weights);
  visit("metrics", spec.metrics);
  visit("class_weight", spec.class_weight);
  visit("sample_weights", spec.sample_weights);
  visit("optimizer", spec.optimizer);
  visit("trainer", spec.trainer);
  visit("batch_size", spec.batch_size);
  visit("epochs", spec.epochs);
  visit("seed", spec.seed);
  visit("shuffle", spec.shuffle);
  visit("records", spec.records);
  visit("partitions", spec.partitions);
  visit("workers", spec.workers);
  visit("largest_message", spec.largest_message);
  visit("counters", spec.counters);
  visit("dataset", spec.dataset);
  visit("threads", spec.threads);
  visit("device", spec.device);
  visit("gpu_memory_mib", spec.gpu_memory_mib);
  visit("precision", spec.precision);
  visit("push_compression", spec.push_compression);
  visit("pull_compression", spec.pull_compression);
  visit("deterministic", spec.deterministic);
  visit("heartbeat_interval_s", spec.heartbeat_interval);
  visit("server_timeout_s", spec.server_timeout);
  visit("driver_timeout_s", spec.driver_timeout);
}

template <typename T>
void write(Json& json, const T& value) {
  json = value;
}
void write(Json& json, const core::Duration& value) { json = core::to_seconds(value); }
void write(Json& json, const compression::Compression& value) { json = value.to_string(); }

void write(Json& json, const algorithm::Choice& value) {
  json = core::parse_plain_json(value.to_json());
}

template <typename T>
void read(const Json& json, T& value) {
  value = json.get<T>();
}
void read(const Json& json, algorithm::Choice& value) {
  value = algorithm::Choice::from_json(core::json_text(json));
}
void read(const Json& json, compression::Compression& value) {
  const auto parsed = compression::Compression::parse(json.get<std::string>());
  if (!parsed.ok()) throw std::invalid_argument(parsed.status().message());
  value = *parsed;
}
void read(const Json& json, core::Duration& value) {
  value = core::from_seconds(json.get<double>());
}

}  // namespace

std::string to_json(const TrainingSpec& spec) {
  Json json = Json::object();
  visit_fields(spec, [&](const char* key, const auto& field) { write(json[key], field); });
  return core::json_text(json);
}

Result<TrainingSpec> parse_training_spec(const std::string& text) {
  if (const std::string wrong = core::check_json_depth(text); !wrong.empty()) {
    return invalid_argument("training spec: " + wrong);
  }
  TrainingSpec spec;
  std::string at = "the text";
  try {
    const Json json = core::parse_plain_json(text);
    visit_fields(spec, [&](const char* key, auto& field) {
      at = key;
      read(json.at(key), field);
    });
  } catch (const std::exception& error) {
    return invalid_argument(fmt::format("training spec: cannot read {}: {}", at, error.what()));
  }
  if (spec.losses.empty() || spec.loss_weights.size() != spec.losses.size() ||
      spec.metrics.size() != spec.losses.size()) {
    return invalid_argument(fmt::format(
        "training spec: {} losses, {} loss_weights and {} metrics; an output has one each",
        spec.losses.size(), spec.loss_weights.size(), spec.metrics.size()));
  }
  if (spec.largest_message < 0) {
    return invalid_argument(fmt::format(
        "training spec: largest_message is {}; it counts floats, from 0", spec.largest_message));
  }
  if (spec.counters < 0 || spec.counters > static_cast<int64_t>(kMostCounters)) {
    return invalid_argument(fmt::format("training spec: counters is {}; there are 0 to {}",
                                        spec.counters, kMostCounters));
  }
  if (spec.workers < 1) {
    return invalid_argument(
        fmt::format("training spec: workers is {}; there is at least 1", spec.workers));
  }
  return spec;
}

namespace {

constexpr size_t kOtherBytes = size_t{1} << 20;  // more than of anything else, such as a shard map

size_t metrics_bytes(const TrainingSpec& spec, int64_t epochs) {
  constexpr size_t kBesides = 64;  // an EpochMetrics without its counters
  const size_t counters = static_cast<size_t>(spec.counters) * sizeof(double);
  return static_cast<size_t>(epochs) * (counters + kBesides);
}

}  // namespace

size_t ledger_bytes(const TrainingSpec& spec) {
  constexpr size_t kPartition = 32;
  return metrics_bytes(spec, spec.epochs) + static_cast<size_t>(spec.partitions) * kPartition +
         kOtherBytes;
}

// Where an epoch of a partition is one mini-batch, each of a window is of another.
size_t push_header_bytes(const TrainingSpec& spec) {
  const int64_t epochs = std::min<int64_t>(spec.trainer.worker_rule()->window(1), spec.epochs);
  return metrics_bytes(spec, epochs) + kOtherBytes;
}

size_t move_bytes(const TrainingSpec& spec) {
  constexpr size_t kOfOne = 128;  // segments of ledgers, shards, workers
  constexpr size_t kMostSegments = size_t{1} << 14;
  return (static_cast<size_t>(spec.partitions) + kMostSegments + 2 * kMostShards) * kOfOne +
         ledger_bytes(spec);
}

}  // namespace sluice::wire
