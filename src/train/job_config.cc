#include "train/job_config.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "backend/replica.h"
#include "core/process_info.h"
#include "nn/lowering.h"
#include "optim/optimizer.h"
#include "optim/optimizer_json.h"
#include "train/suggestion.h"
#include "transport/grpc/socket_address.h"
#include "worker/worker_rule.h"

namespace sluice::train {
namespace {

using Json = nlohmann::ordered_json;

std::string underscored(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::vector<std::string> field_names() {
  std::vector<std::string> names;
  JobConfig config;
  visit_fields(config, [&](const char* name, auto&, const char*) { names.emplace_back(name); });
  return names;
}

[[noreturn]] void wrong_type(const std::string& name, const char* expected, const Json& value) {
  throw std::invalid_argument("\"" + name + "\": expected " + expected + ", got " + value.dump());
}

void read(const std::string& name, const Json& value, std::string& field) {
  if (!value.is_string()) wrong_type(name, "a string", value);
  field = value.get<std::string>();
}
void read(const std::string& name, const Json& value, bool& field) {
  if (!value.is_boolean()) wrong_type(name, "true or false", value);
  field = value.get<bool>();
}
void read(const std::string& name, const Json& value, double& field) {
  if (!value.is_number()) wrong_type(name, "a number", value);
  field = value.get<double>();
}
template <typename Int>
requires std::is_integral_v<Int>
void read(const std::string& name, const Json& value, Int& field) {
  if (!value.is_number_integer()) wrong_type(name, "a whole number", value);
  if constexpr (std::is_unsigned_v<Int>) {
    if (!value.is_number_unsigned()) wrong_type(name, "a number that is not negative", value);
  }
  const bool fits = value.is_number_unsigned() ? std::in_range<Int>(value.get<uint64_t>())
                                               : std::in_range<Int>(value.get<int64_t>());
  if (!fits) throw std::invalid_argument("\"" + name + "\": " + value.dump() + " is out of range");
  field = value.get<Int>();
}
void read(const std::string&, const Json& value, OptimizerSpec& field) { from_json(value, field); }

void require(bool condition, const char* name, const std::string& what) {
  if (!condition) throw InvalidField(name, what);
}

// Longer ones would overflow where they are added up.
void require_seconds(double seconds, const char* name) {
  require(seconds > 0 && seconds <= 1e9, name, "expected more than 0 and at most 1e9 seconds");
}

void require_address(const std::string& address, const char* name) {
  if (address.empty()) return;
  const auto parsed = transport::parse_address(address);
  require(parsed.ok(), name, parsed.status().message());
}

}  // namespace

std::string to_json(const JobConfig& config) {
  Json json = Json::object();
  visit_fields(config,
               [&](const char* name, const auto& field, const char*) { json[name] = field; });
  return json.dump(2);
}

void merge_json(const std::string& text, JobConfig& config) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::parse_error& error) {
    throw std::invalid_argument(std::string("not JSON: ") + error.what());
  }
  if (!json.is_object()) throw std::invalid_argument("expected a JSON object with the job's flags");
  std::set<std::string> unread;
  for (const auto& [name, value] : json.items()) unread.insert(name);
  visit_fields(config, [&](const char* name, auto& field, const char*) {
    for (const auto& [key, value] : json.items()) {
      if (underscored(key) != name) continue;
      read(key, value, field);
      unread.erase(key);
    }
  });
  if (!unread.empty()) {
    const std::string meant = nearest(underscored(*unread.begin()), field_names());
    throw std::invalid_argument("unknown name \"" + *unread.begin() + "\"" +
                                (meant.empty() ? "" : ": did you mean \"" + meant + "\"?"));
  }
}

void validate(const JobConfig& c) {
  require(c.workers >= 1, "workers",
          "expected at least 1 worker, got " + std::to_string(c.workers));
  require(c.servers >= 1, "servers",
          "expected at least 1 server, got " + std::to_string(c.servers));
  require(c.shards >= 0, "shards", "expected 0 (by size) or more");
  require(c.parallelism_factor >= 1, "parallelism_factor", "expected at least 1");
  require(c.batch_size >= 1, "batch_size", "expected at least 1 sample");
  require(c.window >= 1, "window", "expected at least 1 mini-batch");
  require(c.epochs >= 1, "epochs", "expected at least 1 epoch");
  require(c.learning_rate == 0 || (std::isfinite(static_cast<float>(c.learning_rate)) &&
                                   static_cast<float>(c.learning_rate) > 0),
          "learning_rate", "expected a positive number, or 0 for the default");
  require(c.validation_split >= 0 && c.validation_split < 1, "validation_split",
          "expected a fraction of at least 0 and below 1");
  require(c.threads_per_worker >= 0 && c.threads_per_worker <= 256, "threads_per_worker",
          "expected 0 (shared evenly) to 256");
  require(c.max_restarts >= 0, "max_restarts", "expected 0 or more");
  require_seconds(c.lease_timeout, "lease_timeout");
  require_seconds(c.idle_timeout, "idle_timeout");
  require_seconds(c.peer_timeout, "peer_timeout");
  require_address(c.listen, "listen");
  require(c.verbose >= 0 && c.verbose <= 2, "verbose", "expected 0, 1 or 2");
  (void)worker::update_rule_for(c.trainer, c.optimizer);
  (void)nn::parse_loss(c.loss);
  (void)backend::parse_precision(c.precision);
  optim::validate(effective_optimizer(c));
  const Status device = backend::check_device_name(c.device);
  require(device.ok(), "device", device.message());
  require(c.gpu_memory >= 0 && c.gpu_memory <= (int64_t{1} << 30), "gpu_memory",
          "expected 0 (no bound) to 2^30 MiB");
}

OptimizerSpec effective_optimizer(const JobConfig& config) {
  OptimizerSpec optimizer = config.optimizer;
  if (config.learning_rate > 0) optimizer.learning_rate = static_cast<float>(config.learning_rate);
  return optimizer;
}

int effective_threads_per_worker(const JobConfig& config) {
  if (config.threads_per_worker > 0) return config.threads_per_worker;
  return std::max(core::available_cores() / std::max(config.workers, 1), 1);
}

}  // namespace sluice::train
