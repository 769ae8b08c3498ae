#include "tests/simulator/checker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tests/simulator/toy_backend.h"

namespace sluice::simulator {
namespace {

// A job that has not got on for so long must have said whom it waits for.
constexpr core::Duration kNamedWithin = std::chrono::seconds(7);

std::string name_of(const std::tuple<int, int64_t, int64_t>& push) {
  const auto& [shard, partition, sequence] = push;
  return "push " + std::to_string(sequence) + " of partition " + std::to_string(partition) +
         " on shard " + std::to_string(shard);
}

}  // namespace

void Checker::on_exchange(const ExchangeSeen& seen) {
  const std::tuple push(seen.header.shard, seen.header.id.partition, seen.header.id.sequence);
  if (seen.answered) {
    if (!applied_.contains(push) && !expected_.answers_held)
      violation(name_of(push) + " was acknowledged and not applied");
    return;
  }
  if (!seen.applied) return;
  got_on();
  if (++applied_[push] > 1) violation(name_of(push) + " was applied twice");
  if (expected_.ema_momentum) average(seen);
  if (expected_.answers_held) return;
  const auto fence = fenced_.find({seen.server, seen.header.id.partition, seen.header.id.sequence});
  if (fence != fenced_.end() && seen.header.id.incarnation < fence->second) {
    violation(name_of(push) + " was applied under incarnation " +
              std::to_string(seen.header.id.incarnation) + ", which had been fenced off");
  }
}

// From the second push with steps on m^k of the old averages are kept.
void Checker::average(const ExchangeSeen& applied) {
  std::vector<double>& averages = averages_[applied.header.shard];
  const double kept =
      averages.empty() ? 0 : std::pow(*expected_.ema_momentum, applied.header.steps);
  if (applied.header.steps == 0 && averages.empty()) return;
  averages.resize(applied.values.size());
  for (size_t i = 0; i < averages.size(); ++i) {
    averages[i] = kept * averages[i] + (1 - kept) * static_cast<double>(applied.values[i]);
  }
}

void Checker::on_fence(const std::string& server, const wire::FenceRequest& fence) {
  for (int64_t sequence = fence.first; sequence <= fence.last; ++sequence) {
    int64_t& incarnation = fenced_[{server, fence.partition, sequence}];
    incarnation = std::max(incarnation, fence.incarnation);
  }
}

void Checker::on_event(const driver::JobEvent& event) {
  const std::string text = to_text(event);
  if (!text.empty()) simulation_.record("driver: " + text);
  if (std::holds_alternative<driver::TrainingStarted>(event.what)) {
    training_ = true;
    got_on();
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
  for (size_t p = 0; p < expected_.pushes.size(); ++p) {
    for (int64_t sequence = 1; sequence <= expected_.pushes[p]; ++sequence) {
      for (int shard = 0; shard < expected_.shards; ++shard) {
        const std::tuple push(shard, static_cast<int64_t>(p), sequence);
        if (!applied_.contains(push) && !expected_.answers_held)
          violation(name_of(push) + " was never applied");
      }
    }
  }
  for (const auto& [push, times] : applied_) {
    const auto& [shard, partition, sequence] = push;
    const bool exists = partition < static_cast<int64_t>(expected_.pushes.size()) &&
                        sequence <= expected_.pushes[static_cast<size_t>(partition)];
    if (!exists) violation(name_of(push) + " does not exist");
  }
  const float visits = static_cast<float>(expected_.epochs) * expected_.per_visit;
  const auto parameters = result->parameters.span();
  for (size_t at = 0; at < parameters.size(); ++at) {
    const size_t record = at % kPlaces;
    const float right = record < static_cast<size_t>(expected_.records) ? visits : 0;
    if (parameters[at] == right) continue;
    violation("record " + std::to_string(record) + " counts " + std::to_string(parameters[at]) +
              " times on shard " + std::to_string(at / kPlaces) + ", it should be " +
              std::to_string(right));
  }
  check_averages(result->averages.span());
  if (result->samples_trained != expected_.records * expected_.epochs) {
    violation(std::to_string(result->samples_trained) + " samples were counted");
  }
}

// Of everything that was applied, and no more: one push in them twice or not at all shows.
void Checker::check_averages(std::span<const float> averages) {
  size_t at = 0;
  for (const auto& [shard, right] : averages_) {
    for (const double value : right) {
      const double actual = at < averages.size() ? static_cast<double>(averages[at]) : NAN;
      if (!(std::abs(actual - value) <= 1e-4 * (1 + value))) {
        violation("the average at " + std::to_string(at) + ", of shard " + std::to_string(shard) +
                  ", is " + std::to_string(actual) + ", it should be " + std::to_string(value));
      }
      ++at;
    }
  }
  if (at != averages.size()) violation(std::to_string(averages.size()) + " averages came");
}

}  // namespace sluice::simulator
