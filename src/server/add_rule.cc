// theta' = theta + update: for weight deltas, and for whatever a worker has scaled already.
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/simd.h"
#include "server/update_rules.h"

namespace sluice::server {

SLUICE_SIMD void add_values(const float* __restrict a, const float* __restrict b,
                            float* __restrict sum, size_t n) {
  for (size_t i = 0; i < n; ++i) sum[i] = a[i] + b[i];
}

namespace {

class AddRule final : public UpdateRule {
 public:
  void begin(const PushContext&) override {}
  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t, const PushContext&) override {
    add_values(old_values.data(), update.data(), result.data(), result.size());
  }
};

}  // namespace

std::unique_ptr<UpdateRule> make_add_rule(const nlohmann::ordered_json& options, size_t) {
  if (options.size() != 1) {
    throw std::invalid_argument("update rule \"add\" takes no options, got " + options.dump());
  }
  return std::make_unique<AddRule>();
}

}  // namespace sluice::server
