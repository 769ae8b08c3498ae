#include "server/update_rule.h"

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

#include "optim/optimizer_json.h"
#include "server/update_rules.h"

namespace sluice::server {
namespace {

using Json = nlohmann::ordered_json;

struct Entry {
  std::string_view name;
  UpdateRuleFactory make;
};
constexpr Entry kRules[] = {
    {"add", make_add_rule},
    {"optimizer", make_optimizer_rule},
};

Json parse_rule(const std::string& text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("rule") || !json["rule"].is_string()) {
    throw std::invalid_argument("update rule: expected an object like {\"rule\": \"add\"}, got " +
                                (text.empty() ? "nothing" : text.substr(0, 200)));
  }
  return json;
}

}  // namespace

std::unique_ptr<UpdateRule> make_update_rule(const std::string& text, size_t shard_size) {
  const Json json = parse_rule(text);
  const auto name = json["rule"].get<std::string>();
  for (const Entry& entry : kRules) {
    if (entry.name == name) return entry.make(json, shard_size);
  }
  std::string known;
  for (const Entry& entry : kRules) {
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw std::invalid_argument("update rule \"" + name + "\": there is none of that name; use " +
                              known);
}

std::string add_rule_json() { return Json{{"rule", "add"}}.dump(); }

std::string optimizer_rule_json(const OptimizerSpec& optimizer) {
  return Json{{"rule", "optimizer"}, {"optimizer", optimizer}}.dump();
}

}  // namespace sluice::server
