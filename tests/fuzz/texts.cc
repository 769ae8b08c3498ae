#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "core/json_text.h"
#include "driver/job_status.h"
#include "loss/loss_json.h"
#include "nn/metrics.h"
#include "optim/call_text.h"
#include "optim/optimizer_json.h"
#include "tests/fuzz/targets.h"

namespace sluice::fuzz {
namespace {

using Json = nlohmann::ordered_json;

template <typename Spec>
void keeps(const Spec& spec) {
  require(Json(spec).get<Spec>() == spec, "what is written is read again");
}

template <typename Read>
void refused_or(const Read& read) {
  try {
    read();
  } catch (const std::invalid_argument&) {
  }
}

}  // namespace

void run_texts(std::string_view input) {
  const std::string text(input);
  refused_or([&] { keeps(OptimizerSpec(text)); });
  refused_or([&] { keeps(LossSpec(text)); });
  refused_or([&] { nn::parse_metric(text); });
  refused_or([&] {
    const Json call = optim::parse_call(text);
    require(optim::parse_call(optim::call_text(call)) == call, "what is written is read again");
  });
  refused_or([&] { keeps(core::parse_json(text).get<OptimizerSpec>()); });
  refused_or([&] { keeps(core::parse_json(text).get<LossSpec>()); });
  if (const auto status = driver::parse_job_status(text); status.ok()) {
    const std::string written = to_json(*status);
    require(to_json(*driver::parse_job_status(written)) == written,
            "what is written is read again");
  }
}

}  // namespace sluice::fuzz
