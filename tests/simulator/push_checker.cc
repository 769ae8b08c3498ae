#include "tests/simulator/push_checker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tests/simulator/toy_backend.h"
#include "wire/shard_map.h"

namespace sluice::simulator {
namespace {

std::string name_of(const std::string& server, int64_t partition, int64_t sequence) {
  return "push " + std::to_string(sequence) + " of partition " + std::to_string(partition) +
         " at " + server;
}

std::string name_of(const std::string& server, const wire::PushHeader& header) {
  return name_of(server, header.id.partition, header.id.sequence);
}

std::string of(int64_t actual, int64_t right) {
  return std::to_string(actual) + ", it should be " + std::to_string(right);
}

}  // namespace

void PushChecker::on_create(const std::string& server, const wire::CreateRequest& request) {
  if (request.revision > 0) return;  // it has none before a switch
  Server& its = servers_[server];
  its.index = request.server;
  its.shards = request.shard_map.owned_by(request.server);
  for (const int shard : its.shards) models_.try_emplace(shard, expected_.rules, kPlaces);
}

void PushChecker::on_move(const std::string& server, const wire::MoveRequest& request) {
  if (request.step == wire::MoveStep::kTake) {
    const wire::CreateRequest& next = request.next;
    next_[request.revision][server] = {next.server, next.shard_map.owned_by(next.server)};
  }
  if (request.step == wire::MoveStep::kFreeze) frozen_.insert(server);
  const bool ends =
      request.step == wire::MoveStep::kThaw || request.step == wire::MoveStep::kSwitch;
  if (ends) frozen_.erase(server);
  if (request.step == wire::MoveStep::kSwitch) switch_to(request.revision);
  if (request.step != wire::MoveStep::kCommit) return;
  for (const auto& [partition, sequence, superseded] : request.commits) {
    if (counted_.contains({server, partition, sequence})) continue;
    ++settled_;
    const auto staged = staged_.find({server, partition, sequence});
    if (staged == staged_.end()) {
      violation_(name_of(server, partition, sequence) + " is applied, and nobody brought it");
      continue;
    }
    const wire::PushHeader header = staged->second.header;
    count(server, {0, header, {}, superseded ? Became::kSuperseded : Became::kApplied});
  }
}

// All servers have counted the same by then, and nobody pushes before all have switched.
void PushChecker::switch_to(int64_t revision) {
  if (revision <= revision_) return;
  ++moves_;
  const std::map<std::string, Server> before = std::exchange(servers_, next_.at(revision));
  revision_ = revision;
  staged_.clear();
  // Servers hear of who trains one after the other, and so may have ended different rounds: a shard
  // goes on with those of the server that it comes to.
  round_versions_.clear();
  const auto first = std::ranges::find_if(
      before, [](const auto& one) { return one.second.index == wire::ShardMap::kLedgerServer; });
  std::map<Name, Became> all;
  for (const auto& [id, became] : counted_) {
    all.emplace(Name(std::get<1>(id), std::get<2>(id)), became);
  }
  const std::map<int, ShardModel> models = models_;
  int64_t floor = 0;
  for (const auto& [shard, model] : models) floor = std::max(floor, model.floor());
  for (const auto& [server, its] : servers_) {
    const auto known = before.find(server);
    const Server& source = known == before.end() ? first->second : known->second;
    for (const int shard : its.shards) {
      models_.at(shard).go_on_with(models.at(source.shards.front()), floor);
    }
    for (const auto& [name, became] : all) {
      const Identity id(server, name.first, name.second);
      const bool was_there = counted_.contains(id);
      if (known != before.end() && !was_there) {
        violation_(name_of(server, name.first, name.second) + " was not applied before the move");
      }
      counted_.emplace(id, became);
    }
    if (known != before.end()) continue;
    std::map<Identity, int64_t> fenced;
    for (const auto& [id, incarnation] : fenced_) {
      if (std::get<0>(id) != first->first) continue;
      fenced.emplace(Identity(server, std::get<1>(id), std::get<2>(id)), incarnation);
    }
    fenced_.merge(fenced);
  }
  for (const auto& [server, its] : before) {
    if (servers_.contains(server)) continue;
    std::erase_if(counted_, [&](const auto& one) { return std::get<0>(one.first) == server; });
  }
}

ShardModel& PushChecker::model_of(const std::string& server) {
  return models_.at(servers_.at(server).shards.front());
}

void PushChecker::on_gate(const std::string& server, const wire::Gate& gate) {
  for (const int shard : servers_.at(server).shards) models_.at(shard).set_gate(gate);
}

void PushChecker::on_fence(const std::string& server, const wire::FenceRequest& fence) {
  for (int64_t sequence = fence.first; sequence <= fence.last; ++sequence) {
    int64_t& incarnation = fenced_[{server, fence.partition, sequence}];
    incarnation = std::max(incarnation, fence.incarnation);
  }
}

void PushChecker::on_push(const std::string& server, const Push& push) {
  if (frozen_.contains(server)) return;
  const wire::PushHeader& header = push.header;
  const Identity id(server, header.id.partition, header.id.sequence);
  if (header.step != wire::PushStep::kStage) open_[push.call] = {server, header};
  const bool commits = header.step == wire::PushStep::kCommit;
  if (push.became == Became::kDuplicate && !counted_.contains(id)) {
    violation_(name_of(server, header) + " is no duplicate");
  }
  const auto refused = [&](const auto& answer) {
    return answer.first == push.call && !answer.second.ok();
  };
  if (push.became == Became::kNothing || push.became == Became::kDuplicate) {
    if (std::ranges::any_of(answers_, refused)) return;
    if (counted_.contains(id) && header.step != wire::PushStep::kStage) {
      Open& call = open_[push.call];
      call.counted = true;
      call.duplicate = !commits;
      call.late = model_of(server).is_late(header);
      for (const int shard : servers_.at(server).shards) models_.at(shard).repeat(header);
      return;
    }
  }
  if (!counted_.contains(id)) bring(server, push);
  if (push.became != Became::kNothing) count(server, push);
}

// What a message brings counts once; of another lease's push nothing is left. (A message that was
// refused may be taken for one that counts: then its push is never applied.)
void PushChecker::bring(const std::string& server, const Push& push) {
  const wire::PushHeader& header = push.header;
  if (header.step == wire::PushStep::kCommit) return;
  const auto attempt = attempts_.find({header.id.partition, header.id.sequence});
  const auto fence = fenced_.find({server, header.id.partition, header.id.sequence});
  if (fence != fenced_.end() && header.id.incarnation < fence->second) return;
  if (attempt != attempts_.end() && attempt->second != header.id.incarnation) {
    violation_(name_of(server, header) + " is trained again, a server has applied it");
  }
  Staged& staged = staged_[{server, header.id.partition, header.id.sequence}];
  if (staged.header.id.incarnation > header.id.incarnation) return;
  if (staged.header.id != header.id) staged = {header, {}, {}};
  if (!header.metrics.empty()) staged.header.metrics = header.metrics;
  size_t offset = 0;
  for (int shard = header.shards.first; shard < header.shards.end(); ++shard) {
    const auto its = push.update.subspan(offset, kPlaces);
    staged.updates.try_emplace(shard, its.begin(), its.end());
    staged.encodings.try_emplace(shard, header.encoding);
    offset += kPlaces;
  }
}

void PushChecker::count(const std::string& server, const Push& push) {
  counts_();
  const Identity id(server, push.header.id.partition, push.header.id.sequence);
  const std::string name = name_of(server, push.header);
  const bool superseded = push.became == Became::kSuperseded;
  const auto [before, first] = counted_.emplace(id, push.became);
  if (!first && (superseded || before->second == Became::kSuperseded)) {
    violation_(name + " was superseded and counted once more");
  } else if (!first) {
    violation_(name + " was applied twice");
  }
  const auto found = staged_.extract(id);
  if (found.empty()) return violation_(name + " was applied, and nobody brought it");
  const Staged& staged = found.mapped();
  const wire::PushHeader& header = staged.header;
  ShardModel& model = model_of(server);
  if (superseded && (!expected_.rules.rounds || expected_.rules.backups == 0)) {
    violation_(name + " was superseded, and there are no backup workers");
  }
  // Of several servers the ledger's decides, and that it has decided is what matters.
  const bool decides = servers_.size() == 1 || servers_.at(server).index == 0;
  if (decides && superseded != model.must_supersede(header)) {
    violation_(name + (superseded ? " was superseded in an open round"
                                  : " was applied when its round had ended"));
  }
  for (const auto& [other, its] : servers_) {
    const auto there = counted_.find({other, header.id.partition, header.id.sequence});
    if (there == counted_.end() || there->second == push.became) continue;
    violation_(name + " was superseded there or at " + other + ", and not at both");
  }
  const auto fence = fenced_.find(id);
  if (fence != fenced_.end() && push.header.id.incarnation < fence->second) {
    violation_(name + " was applied under incarnation " +
               std::to_string(push.header.id.incarnation) + ", which had been fenced off");
  }
  const int64_t incarnation = header.id.incarnation;
  const auto attempt =
      attempts_.emplace(Name(header.id.partition, header.id.sequence), incarnation).first;
  if (attempt->second != incarnation) {
    violation_(name + " is of incarnation " + std::to_string(incarnation) +
               ", another server has applied that of " + std::to_string(attempt->second));
  }
  check_contents(server, staged);
  for (auto& [call, open] : open_) {
    const bool its = open.server == server && open.header.id.partition == header.id.partition &&
                     open.header.id.sequence == header.id.sequence;
    if (!its || open.counted) continue;
    open.counted = true;
    open.late = model.is_late(header);
  }
  for (const int shard : servers_.at(server).shards) {
    const auto update = staged.updates.find(shard);
    if (superseded) {
      models_.at(shard).supersede(header);
    } else if (update == staged.updates.end()) {
      models_.at(shard).apply(header, {});
    } else {
      models_.at(shard).apply(header, update->second);
      std::vector<float>& sum = sums_[shard];
      sum.resize(kPlaces);
      for (size_t i = 0; i < kPlaces; ++i) sum[i] += update->second[i];
    }
  }
  if (servers_.at(server).index != wire::ShardMap::kLedgerServer) return;
  for (const auto& metrics : header.metrics) {
    Samples& samples = samples_[metrics.epoch];
    (superseded ? samples.superseded : samples.trained) += metrics.samples;
  }
}

// A push has the same records on every shard, whoever trained it. In rounds nobody who trains can
// have begun it before some server's round was the one before. (Who is given up for dead is
// answered at once, and may be further until it is fenced.)
void PushChecker::check_contents(const std::string& server, const Staged& staged) {
  const wire::PushHeader& header = staged.header;
  for (const int shard : servers_.at(server).shards) {
    const auto update = staged.updates.find(shard);
    const bool there = update != staged.updates.end();
    if (there != expected_.has_update(shard, header.id.partition)) {
      violation_(name_of(server, header) + (there ? " has too much" : " has nothing") +
                 " for shard " + std::to_string(shard));
    }
    if (!there) continue;
    const std::string wrong =
        encodings_.check_update(header, shard, staged.encodings.at(shard), update->second);
    if (!wrong.empty()) violation_(name_of(server, header) + ": " + wrong);
  }
  if (const auto* trained = encodings_.contents(header)) {
    std::vector<float>& known = contents_[{header.id.partition, header.id.sequence}];
    if (known.empty()) known = *trained;
    if (known != *trained) violation_(name_of(server, header) + " has other records than before");
  }
  if (!expected_.rules.rounds || !model_of(server).trains(header.member)) return;
  int64_t floor = 0;
  for (const auto& [shard, model] : models_) floor = std::max(floor, model.floor());
  if (header.clock <= floor + 1) return;
  violation_(name_of(server, header) + " is of window " + std::to_string(header.clock) +
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
  if (frozen_.contains(server) || !servers_.contains(server)) return;
  for (const auto& [number, call] : open_) {
    if (call.server != server || !call.counted) continue;
    if (call.header.shards.count > 0 && !model_of(server).may_answer(call.header)) continue;
    violation_(name_of(server, call.header) + " should have been answered");
  }
}

void PushChecker::check_answer(const Open& call, const wire::ExchangeReply& answer) {
  const ShardModel& model = model_of(call.server);
  const std::string name = "the answer to " + name_of(call.server, call.header);
  if (!call.counted) violation_(name + " came before it was applied");
  if (call.header.shards.count > 0 && !model.may_answer(call.header)) {
    violation_(name + " came too early");
  }
  if (answer.push.duplicate != call.duplicate) violation_(name + " is wrong about a duplicate");
  if (answer.pull.clock != model.floor()) {
    violation_(name + " has floor " + of(answer.pull.clock, model.floor()));
  }
  if (call.header.shards.count == 0) return;
  check_values(call, answer);
  const bool of_round = model.trains(call.header.member) && !call.late && !call.duplicate;
  if (!expected_.rules.rounds || !of_round) return;
  const auto [version, first] = round_versions_.try_emplace(
      {call.header.shards.first, call.header.clock}, answer.pull.version);
  if (version->second == answer.pull.version) return;
  violation_(name + " has version " + std::to_string(answer.pull.version) +
             ", another of the same round had " + std::to_string(version->second));
}

void PushChecker::check_values(const Open& call, const wire::ExchangeReply& answer) {
  const std::string name = "the answer to " + name_of(call.server, call.header);
  std::vector<float> right;
  int64_t version = models_.at(call.header.shards.first).values_version();
  for (int shard = call.header.shards.first; shard < call.header.shards.end(); ++shard) {
    const ShardModel& its = models_.at(shard);
    right.insert(right.end(), its.values().begin(), its.values().end());
    version = std::min(version, its.values_version());
  }
  const std::string wrong =
      encodings_.check_answer(call.header.wanted, call.header.shards.first, right, answer.pull);
  if (!wrong.empty()) violation_(name + ": " + wrong);
  if (answer.pull.version != version) {
    violation_(name + " has version " + of(answer.pull.version, version));
  }
}

void PushChecker::on_pulled(const wire::PullRequest& request, const wire::PullReply& answer) {
  if (request.averages || request.kept) return;
  std::vector<float> right;
  for (int shard = request.shards.first; shard < request.shards.end(); ++shard) {
    const std::vector<float>& its = models_.at(shard).values();
    right.insert(right.end(), its.begin(), its.end());
  }
  const std::string wrong =
      encodings_.check_answer(request.wanted, request.shards.first, right, answer);
  if (!wrong.empty()) {
    violation_("a pull of shard " + std::to_string(request.shards.first) + ": " + wrong);
  }
}

void PushChecker::on_taken(const std::optional<wire::Wanted>& wanted, wire::ShardRange shards,
                           uint64_t name, std::span<const float> held) {
  const std::string wrong = encodings_.check_held(wanted, shards.first, name, held);
  if (!wrong.empty()) violation_("member " + std::to_string(wanted->member) + " " + wrong);
}

// By some server, which is told by nobody here.
void PushChecker::on_acknowledged(const wire::PushHeader& header, const wire::PushReply& reply) {
  encodings_.on_acknowledged(header, reply.superseded);
  const auto applied = [&](const auto& server) {
    return counted_.contains({server.first, header.id.partition, header.id.sequence});
  };
  if (std::ranges::any_of(servers_, applied)) return;
  violation_(name_of("any server", header) + " was acknowledged and not applied");
}

int64_t PushChecker::superseded() const {
  return std::ranges::count(counted_, Became::kSuperseded,
                            [](const auto& one) { return one.second; });
}

// --- The end ---

void PushChecker::check_result(const driver::JobResult& result) {
  check_plan();
  check_final_values(result);
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
      for (const auto& [server, its] : servers_) {
        if (counted_.contains({server, partition, sequence})) continue;
        violation_(name_of(server, partition, sequence) + " was never applied");
      }
      const auto contents = contents_.find({partition, sequence});
      if (contents == contents_.end()) continue;
      for (size_t i = 0; i < planned.size(); ++i) planned[i] += contents->second[i];
    }
  }
  if (counted_.size() > pushes * servers_.size()) {
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
void PushChecker::check_final_values(const driver::JobResult& result) {
  std::vector<float> right(static_cast<size_t>(expected_.shards) * kPlaces);
  for (const auto& [shard, sum] : sums_) {
    std::ranges::copy(sum, right.begin() + static_cast<ptrdiff_t>(shard) * kPlaces);
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

// Totals are the ledger server's.
void PushChecker::check_counts(const driver::JobResult& result) {
  const auto equal = [this](const char* what, int64_t actual, int64_t right) {
    if (actual != right) violation_(std::string(what) + ": " + of(actual, right));
  };
  int64_t updates = 0, superseded_updates = 0;
  Samples of_all, in_places;
  for (const auto& [id, became] : counted_) {
    const auto& [server, partition, sequence] = id;
    if (servers_.at(server).index != wire::ShardMap::kLedgerServer) continue;
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
