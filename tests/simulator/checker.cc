#include "tests/simulator/checker.h"

#include <utility>

namespace sluice::simulator {
namespace {

// A job that has not got on for so long must have said whom it waits for.
constexpr core::Duration kNamedWithin = std::chrono::seconds(7);

}  // namespace

void Checker::on_event(const driver::JobEvent& event) {
  const std::string text = to_text(event);
  if (!text.empty()) simulation_.record("driver: " + text);
  if (std::holds_alternative<driver::TrainingStarted>(event.what)) {
    training_ = true;
    got_on();
  }
  if (const auto* kept = std::get_if<driver::ServersKept>(&event.what)) {
    if (kept->why.find("bug in Sluice") != std::string::npos) violation(text);
  }
  if (std::holds_alternative<driver::JobEnding>(event.what)) ending_ = true;
  if (std::holds_alternative<driver::LeaseCut>(event.what)) ++leases_cut_;
  if (const auto* waits = std::get_if<driver::WaitsFor>(&event.what)) {
    if (!waits_for_.empty()) got_on();  // somebody was named until now
    waits_for_ = waits->whom;
  }
}

void Checker::look(bool excused) {
  if (!training()) return;
  if (excused) return got_on();
  const core::Duration silence = simulation_.now() - last_progress_;
  if (silence < kNamedWithin || !waits_for_.empty()) return;
  violation("nothing has got on for " + std::to_string(core::to_seconds(silence)) +
            " s, and nobody was named");
  got_on();
}

void Checker::check_result(const Result<driver::JobResult>& result) {
  if (!result.ok()) return violation("the job failed: " + result.status().to_string());
  pushes_.check_result(*result);
}

}  // namespace sluice::simulator
