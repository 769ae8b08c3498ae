#include "driver/job_status.h"

#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <type_traits>

#include "core/json_text.h"

namespace sluice::driver {
namespace {

using Json = nlohmann::ordered_json;

// The fields by name, in the order of the JSON: visit(name, field).
template <typename S, typename Visit>
void fields(S& s, Visit visit) {
  using Fields = std::remove_const_t<S>;
  if constexpr (std::is_same_v<Fields, JobStatus>) {
    visit("version", s.version);
    visit("job", s.job);
    visit("waits", s.waits);
    visit("members", s.members);
    visit("leases", s.leases);
    visit("gate", s.gate);
    visit("gain", s.gain);
    visit("servers", s.servers);
    visit("rates", s.rates);
    visit("epochs", s.epochs);
    visit("knobs", s.knobs);
    visit("changes", s.changes);
    visit("moves", s.moves);
  } else if constexpr (std::is_same_v<Fields, JobStatus::Job>) {
    visit("number", s.number);
    visit("phase", s.phase);
    visit("dataset", s.dataset);
    visit("model", s.model);
    visit("trainer", s.trainer);
    visit("optimizer", s.optimizer);
    visit("host", s.host);
    visit("pid", s.pid);
    visit("parameters", s.parameters);
    visit("records", s.records);
    visit("epochs", s.epochs);
    visit("batch_size", s.batch_size);
    visit("partitions", s.partitions);
    visit("servers", s.servers);
    visit("workers", s.workers);
    visit("running_s", s.running_s);
    visit("training_s", s.training_s);
    visit("samples", s.samples);
    visit("total_samples", s.total_samples);
    visit("updates", s.updates);
    visit("total_updates", s.total_updates);
  } else if constexpr (std::is_same_v<Fields, JobStatus::Wait>) {
    visit("whom", s.whom);
    visit("for_s", s.for_s);
    visit("given_up_in_s", s.given_up_in_s);
    visit("advice", s.advice);
  } else if constexpr (std::is_same_v<Fields, JobStatus::Member>) {
    visit("role", s.role);
    visit("index", s.index);
    visit("host", s.host);
    visit("pid", s.pid);
    visit("container", s.container);
    visit("address", s.address);
    visit("state", s.state);
    visit("joined_s", s.joined_s);
    visit("heard_s", s.heard_s);
    visit("progress_s", s.progress_s);
    visit("waiting_for", s.waiting_for);
    visit("waiting_s", s.waiting_s);
    visit("cores", s.cores);
    visit("gpu", s.gpu);
    visit("peak_memory_bytes", s.peak_memory_bytes);
    visit("traffic", s.traffic);
  } else if constexpr (std::is_same_v<Fields, wire::Traffic>) {
    visit("server", s.server);
    visit("way", s.path.way);
    visit("hint", s.path.hint);
    visit("exchanges", s.exchanges);
    visit("seconds", s.seconds);
    visit("sent_bytes", s.sent_bytes);
    visit("received_bytes", s.received_bytes);
    visit("saved_bytes", s.saved_bytes);
  } else if constexpr (std::is_same_v<Fields, JobStatus::Lease>) {
    visit("partition", s.partition);
    visit("worker", s.worker);
    visit("first_push", s.first_push);
    visit("last_push", s.last_push);
    visit("step", s.step);
    visit("steps", s.steps);
    visit("held_s", s.held_s);
  } else if constexpr (std::is_same_v<Fields, JobStatus::Gate>) {
    visit("max_staleness", s.max_staleness);
    visit("rounds", s.rounds);
    visit("backup_workers", s.backup_workers);
    visit("floor", s.floor);
    visit("slowest", s.slowest);
    visit("superseded", s.superseded);
    visit("workers", s.workers);
  } else if constexpr (std::is_same_v<Fields, JobStatus::Gate::Worker>) {
    visit("worker", s.worker);
    visit("windows", s.windows);
    visit("answer_held_s", s.answer_held_s);
  } else if constexpr (std::is_same_v<Fields, JobStatus::Gain>) {
    visit("per_worker", s.per_worker);
    visit("workers", s.workers);
    visit("value", s.value);
    visit("bounded", s.bounded);
    visit("scale", s.scale);
  } else if constexpr (std::is_same_v<Fields, JobStatus::Server>) {
    visit("server", s.server);
    visit("address", s.address);
    visit("shards", s.shards);
    visit("version", s.version);
    visit("duplicates", s.duplicates);
    visit("fenced", s.fenced);
    visit("staleness_mean", s.staleness_mean);
    visit("staleness_max", s.staleness_max);
    visit("update_seconds", s.update_seconds);
  } else if constexpr (std::is_same_v<Fields, JobStatus::Move>) {
    visit("from", s.from);
    visit("to", s.to);
    visit("bytes", s.bytes);
    visit("held_s", s.held_s);
    visit("ago_s", s.ago_s);
  } else if constexpr (std::is_same_v<Fields, JobStatus::Rates>) {
    visit("over_s", s.over_s);
    visit("samples_per_s", s.samples_per_s);
    visit("updates_per_s", s.updates_per_s);
    visit("pushed_bytes_per_s", s.pushed_bytes_per_s);
  } else if constexpr (std::is_same_v<Fields, JobStatus::Epoch>) {
    visit("epoch", s.epoch);
    visit("samples", s.samples);
    visit("records", s.records);
    visit("loss", s.loss);
  } else if constexpr (std::is_same_v<Fields, JobStatus::Knob>) {
    visit("name", s.name);
    visit("value", s.value);
    visit("help", s.help);
  } else {
    static_assert(std::is_same_v<Fields, JobStatus::Change>);
    visit("knob", s.knob);
    visit("from", s.from);
    visit("to", s.to);
    visit("by", s.by);
    visit("ago_s", s.ago_s);
  }
}

template <typename T>
constexpr bool kIsList = false;
template <typename T>
constexpr bool kIsList<std::vector<T>> = true;
template <typename T>
constexpr bool kIsPlain = std::is_arithmetic_v<T> || std::is_same_v<T, std::string>;

// Seconds and rates are measured, and no reader needs more than milliseconds of them.
double rounded(double value) {
  return std::abs(value) < 1e12 ? std::round(value * 1000) / 1000 : value;
}

template <typename T>
Json written(const T& value) {
  if constexpr (std::is_same_v<T, double>) {
    return rounded(value);
  } else if constexpr (std::is_same_v<T, wire::Path::Way>) {
    return to_string(value);
  } else if constexpr (kIsPlain<T>) {
    return value;
  } else if constexpr (kIsList<T>) {
    Json list = Json::array();
    for (const auto& item : value) list.push_back(written(item));
    return list;
  } else {
    Json object = Json::object();
    fields(value, [&](const char* name, const auto& field) { object[name] = written(field); });
    return object;
  }
}

void expect(bool is_it, const char* what) {
  if (!is_it) throw std::invalid_argument(std::string("expected ") + what);
}

// Throws for a value of another kind.
template <typename T>
void read(const Json& json, T& value) {
  if constexpr (std::is_same_v<T, double>) {
    value = json.is_null() ? std::nan("") : json.get<double>();  // JSON has no NaN
  } else if constexpr (std::is_same_v<T, wire::Path::Way>) {
    const auto text = json.get<std::string>();
    for (const auto way : {wire::Path::Way::kUnixSocket, wire::Path::Way::kSharedMemory}) {
      if (text == to_string(way)) value = way;  // another version's is TCP
    }
  } else if constexpr (kIsPlain<T>) {
    if constexpr (std::is_same_v<T, bool>) {
      expect(json.is_boolean(), "true or false");
    } else if constexpr (std::is_arithmetic_v<T>) {
      expect(json.is_number_integer(), "a whole number");
    }
    json.get_to(value);
  } else if constexpr (kIsList<T>) {
    expect(json.is_array(), "a list");
    for (const Json& item : json) read(item, value.emplace_back());
  } else {
    expect(json.is_object(), "an object");
    fields(value, [&](const char* name, auto& field) {
      if (const auto found = json.find(name); found != json.end()) read(*found, field);
    });
  }
}

}  // namespace

std::string to_json(const JobStatus& status) { return core::json_text(written(status)); }

Result<JobStatus> parse_job_status(const std::string& json) {
  try {
    const Json parsed = core::parse_json(json);
    if (!parsed.is_object() || !parsed.contains("job")) {
      return invalid_argument("a job's status: expected an object with a member \"job\"");
    }
    JobStatus status;
    read(parsed, status);
    return status;
  } catch (const std::exception& error) {
    return invalid_argument(fmt::format("a job's status: {}", error.what()));
  }
}

}  // namespace sluice::driver
