#include "tests/simulator/push_checker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tests/simulator/toy_backend.h"
#include "wire/shard_map.h"

namespace sluice::simulator {
namespace {

std::string name_of(int shard, int64_t partition, int64_t sequence) {
  return "push " + std::to_string(sequence) + " of partition " + std::to_string(partition) +
         " on shard " + std::to_string(shard);
}

std::string name_of(const wire::PushHeader& header) {
  return name_of(header.shard, header.id.partition, header.id.sequence);
}

std::string of(int64_t actual, int64_t right) {
  return std::to_string(actual) + ", it should be " + std::to_string(right);
}

}  // namespace

// It has heard what its server has heard.
ShardModel& PushChecker::model_of(const std::string& server, int shard) {
  const auto [model, made] = models_.try_emplace(shard, expected_.rules, kPlaces);
  if (!made) return model->second;
  servers_[shard] = server;
  for (const wire::Gate& gate : gates_[server]) model->second.set_gate(gate);
  return model->second;
}

void PushChecker::on_gate(const std::string& server, const wire::Gate& gate) {
  gates_[server].push_back(gate);
  for (auto& [shard, model] : models_) {
    if (servers_.at(shard) == server) model.set_gate(gate);
  }
}

void PushChecker::on_fence(const std::string& server, const wire::FenceRequest& fence) {
  for (int64_t sequence = fence.first; sequence <= fence.last; ++sequence) {
    int64_t& incarnation = fenced_[{server, fence.partition, sequence}];
    incarnation = std::max(incarnation, fence.incarnation);
  }
}

void PushChecker::on_push(const std::string& server, const Push& push) {
  const wire::PushHeader& header = push.header;
  ShardModel& model = model_of(server, header.shard);
  if (push.became == Became::kRefused) return;
  open_[push.call] = {server, header, push.became == Became::kDuplicate, model.is_late(header)};
  const Identity id(header.shard, header.id.partition, header.id.sequence);
  if (push.became == Became::kDuplicate) {
    if (!counted_.contains(id)) violation_(name_of(header) + " is no duplicate");
    model.repeat(header);
  } else {
    count(server, push, model);
  }
}

void PushChecker::count(const std::string& server, const Push& push, ShardModel& model) {
  counts_();
  const wire::PushHeader& header = push.header;
  const std::string name = name_of(header);
  const bool superseded = push.became == Became::kSuperseded;
  const Identity id(header.shard, header.id.partition, header.id.sequence);
  const auto [before, first] = counted_.emplace(id, push.became);
  if (!first && (superseded || before->second == Became::kSuperseded)) {
    violation_(name + " was superseded and counted once more");
  } else if (!first) {
    violation_(name + " was applied twice");
  }
  if (superseded && (!expected_.rules.rounds || expected_.rules.backups == 0)) {
    violation_(name + " was superseded, and there are no backup workers");
  }
  if (superseded != model.must_supersede(header)) {
    violation_(name + (superseded ? " was superseded in an open round"
                                  : " was applied when its round had ended"));
  }
  const auto fence = fenced_.find({server, header.id.partition, header.id.sequence});
  if (fence != fenced_.end() && header.id.incarnation < fence->second) {
    violation_(name + " was applied under incarnation " + std::to_string(header.id.incarnation) +
               ", which had been fenced off");
  }
  check_contents(header, push.update);
  if (superseded) {
    model.supersede(header);
  } else {
    model.apply(header, push.update);
  }
  if (header.shard != wire::ShardMap::kLedgerShard) return;
  for (const auto& metrics : header.metrics) {
    Samples& samples = samples_[metrics.epoch];
    (superseded ? samples.superseded : samples.trained) += metrics.samples;
  }
}

// A push has the same records on every shard, whoever trained it. In rounds nobody who trains can
// have begun it before some shard's round was the one before. (Who is given up for dead is answered
// at once, and may be further until it is fenced.)
void PushChecker::check_contents(const wire::PushHeader& header, std::span<const float> update) {
  if (expected_.has_update(header.shard, header.id.partition)) {
    std::vector<float>& known = contents_[{header.id.partition, header.id.sequence}];
    if (known.empty()) known.assign(update.begin(), update.end());
    if (!std::equal(known.begin(), known.end(), update.begin(), update.end())) {
      violation_(name_of(header) + " has other records than before");
    }
  } else if (!update.empty()) {
    violation_(name_of(header) + " has an update for another partition's parameters");
  }
  if (!expected_.rules.rounds || !models_.at(header.shard).trains(header.member)) return;
  int64_t floor = 0;
  for (const auto& [shard, model] : models_) floor = std::max(floor, model.floor());
  if (header.clock <= floor + 1) return;
  violation_(name_of(header) + " is of window " + std::to_string(header.clock) +
             ", the highest floor is " + std::to_string(floor));
}

void PushChecker::on_answer(int64_t call, const Result<wire::ExchangeReply>& answer) {
  answers_.emplace_back(call, answer);
}

void PushChecker::on_settled(const std::string& server) {
  for (const auto& [number, answer] : std::exchange(answers_, {})) {
    const auto call = open_.extract(number);
    if (!call.empty() && answer.ok()) check_answer(call.mapped(), *answer);
  }
  for (const auto& [number, call] : open_) {
    if (call.server != server || !models_.at(call.header.shard).may_answer(call.header)) continue;
    violation_(name_of(call.header) + " should have been answered");
  }
}

void PushChecker::check_answer(const Open& call, const wire::ExchangeReply& answer) {
  const ShardModel& model = models_.at(call.header.shard);
  const std::string name = "the answer to " + name_of(call.header);
  if (!model.may_answer(call.header)) violation_(name + " came too early");
  if (answer.push.duplicate != call.duplicate) violation_(name + " is wrong about a duplicate");
  if (answer.pull.version != model.values_version()) {
    violation_(name + " has version " + of(answer.pull.version, model.values_version()));
  }
  if (answer.pull.clock != model.floor()) {
    violation_(name + " has floor " + of(answer.pull.clock, model.floor()));
  }
  const bool with_values = expected_.has_update(call.header.shard, call.header.id.partition);
  const std::vector<float> none;
  if (!std::ranges::equal(answer.pull.values.values, with_values ? model.values() : none)) {
    violation_(name + " has other values than the pushes that it should have");
  }
  const bool of_round = model.trains(call.header.member) && !call.late && !call.duplicate;
  if (!expected_.rules.rounds || !of_round) return;
  const auto [version, first] =
      round_versions_.try_emplace({call.header.shard, call.header.clock}, answer.pull.version);
  if (version->second == answer.pull.version) return;
  violation_(name + " has version " + std::to_string(answer.pull.version) +
             ", another of the same round had " + std::to_string(version->second));
}

void PushChecker::on_acknowledged(const wire::PushHeader& header) {
  if (counted_.contains({header.shard, header.id.partition, header.id.sequence})) return;
  violation_(name_of(header) + " was acknowledged and not applied");
}

int64_t PushChecker::superseded() const {
  return std::ranges::count(counted_, Became::kSuperseded,
                            [](const auto& one) { return one.second; });
}

// --- The end ---

void PushChecker::check_result(const driver::JobResult& result) {
  check_plan();
  check_values(result);
  check_counts(result);
}

// Each push of the plan was counted on each shard, and no other; together they are every record
// once per epoch.
void PushChecker::check_plan() {
  std::vector<float> planned(kPlaces);
  size_t pushes = 0;
  for (size_t p = 0; p < expected_.pushes.size(); ++p) {
    const auto partition = static_cast<int64_t>(p);
    for (int64_t sequence = 1; sequence <= expected_.pushes[p]; ++sequence, ++pushes) {
      for (int shard = 0; shard < expected_.shards; ++shard) {
        if (counted_.contains({shard, partition, sequence})) continue;
        violation_(name_of(shard, partition, sequence) + " was never applied");
      }
      const auto contents = contents_.find({partition, sequence});
      if (contents == contents_.end()) continue;
      for (size_t i = 0; i < planned.size(); ++i) planned[i] += contents->second[i];
    }
  }
  if (counted_.size() > pushes * static_cast<size_t>(expected_.shards)) {
    violation_("pushes were counted that do not exist");
  }
  for (size_t record = 0; record < planned.size(); ++record) {
    const bool there = record < static_cast<size_t>(expected_.records);
    const float right = there ? static_cast<float>(expected_.epochs) : 0;
    if (planned[record] == right) continue;
    violation_("record " + std::to_string(record) + " was trained " +
               std::to_string(planned[record]) + " times, it should be " + std::to_string(right));
  }
}

// The places of the pushes that were applied, and averages of them in their order.
void PushChecker::check_values(const driver::JobResult& result) {
  std::vector<float> right(static_cast<size_t>(expected_.shards) * kPlaces);
  for (const auto& [id, became] : counted_) {
    const auto& [shard, partition, sequence] = id;
    if (became != Became::kApplied || shard < 0 || shard >= expected_.shards) continue;
    if (!expected_.has_update(shard, partition)) continue;
    const std::vector<float>& contents = contents_[{partition, sequence}];
    const size_t begin = static_cast<size_t>(shard) * kPlaces;
    for (size_t i = 0; i < kPlaces; ++i) right[begin + i] += contents[i];
  }
  const auto values = result.parameters.span();
  if (values.size() != right.size()) return violation_("the result has another size");
  for (size_t at = 0; at < right.size(); ++at) {
    if (values[at] == right[at]) continue;
    violation_("record " + std::to_string(at % kPlaces) + " counts " + std::to_string(values[at]) +
               " times on shard " + std::to_string(at / kPlaces) + ", it should be " +
               std::to_string(right[at]));
  }
  std::vector<double> averages;
  for (const auto& [shard, model] : models_) {
    averages.insert(averages.end(), model.averages().begin(), model.averages().end());
  }
  if (averages.size() != result.averages.size()) violation_("the averages have another size");
  for (size_t at = 0; at < std::min(averages.size(), result.averages.size()); ++at) {
    const double actual = static_cast<double>(result.averages.span()[at]);
    if (std::abs(actual - averages[at]) <= 1e-4 * (1 + averages[at])) continue;
    violation_("the average at " + std::to_string(at) + " is " + std::to_string(actual) +
               ", it should be " + std::to_string(averages[at]));
  }
}

// Totals are the ledger shard's.
void PushChecker::check_counts(const driver::JobResult& result) {
  const int ledger = wire::ShardMap::kLedgerShard;
  const auto equal = [this](const char* what, int64_t actual, int64_t right) {
    if (actual != right) violation_(std::string(what) + ": " + of(actual, right));
  };
  int64_t updates = 0, superseded_updates = 0;
  Samples of_all, in_places;
  for (const auto& [id, became] : counted_) {
    const auto& [shard, partition, sequence] = id;
    if (shard != ledger) continue;
    ++updates;
    superseded_updates += became == Became::kSuperseded ? 1 : 0;
    int64_t samples = 0;
    for (const float place : contents_[{partition, sequence}]) samples += std::lround(place);
    (became == Became::kSuperseded ? in_places.superseded : in_places.trained) += samples;
  }
  for (const auto& epoch : result.epochs) {
    const Samples& right = samples_[epoch.epoch];
    equal("samples of an epoch", epoch.samples, right.trained);
    equal("superseded samples of an epoch", epoch.superseded, right.superseded);
    equal("all samples of an epoch", epoch.samples + epoch.superseded, expected_.records);
  }
  for (const auto& [epoch, samples] : samples_) {
    of_all.trained += samples.trained;
    of_all.superseded += samples.superseded;
  }
  if (of_all != in_places) violation_("pushes say other numbers of samples than they have");
  equal("updates", result.server_updates, updates);
  equal("superseded updates", result.superseded_updates, superseded_updates);
  equal("samples trained", result.samples_trained, of_all.trained);
  equal("samples superseded", result.samples_superseded, of_all.superseded);
  equal("samples of the plan", result.samples_trained + result.samples_superseded,
        expected_.records * expected_.epochs);
}

}  // namespace sluice::simulator
