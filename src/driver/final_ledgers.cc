#include "driver/final_ledgers.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace sluice::driver {
namespace {

Status miscounted(const std::string& what, int64_t counted, int64_t expected) {
  return internal_error(
      fmt::format("the servers count {} {}, the job has {}: this is a bug in Sluice, please report "
                  "it with the log",
                  counted, what, expected));
}

Status check_partitions(const wire::LedgerReply& ledger, std::span<const int64_t> pushes) {
  std::vector<int64_t> applied(pushes.size());
  for (const auto& count : ledger.partitions) {
    const auto partition = static_cast<size_t>(count.partition);
    if (count.partition < 0 || partition >= applied.size()) {
      return miscounted(fmt::format("pushes of partition {}", count.partition), count.pushes, 0);
    }
    applied[partition] = count.pushes;
  }
  for (size_t p = 0; p < applied.size(); ++p) {
    if (applied[p] == pushes[p]) continue;
    return miscounted(fmt::format("pushes of partition {}", p), applied[p], pushes[p]);
  }
  return ok_status();
}

}  // namespace

Status check_ledgers(const std::vector<wire::LedgerReply>& ledgers,
                     const std::vector<std::string>& addresses, const ExpectedCounts& expected) {
  const int64_t pushes =
      std::accumulate(expected.pushes.begin(), expected.pushes.end(), int64_t{0});
  for (size_t server = 0; server < ledgers.size(); ++server) {
    const wire::LedgerReply& ledger = ledgers[server];
    const auto owned =
        static_cast<int64_t>(expected.shard_map.owned_by(static_cast<int>(server)).size());
    if (ledger.shards != owned) {
      return miscounted("shards of " + addresses[server], ledger.shards, owned);
    }
    if (ledger.version != pushes) {
      return miscounted("updates of " + addresses[server], ledger.version, pushes);
    }
    SLUICE_RETURN_IF_ERROR(check_partitions(ledger, expected.pushes));
  }
  int64_t samples = 0;
  for (const auto& epoch : ledgers.front().epochs) samples += epoch.samples + epoch.superseded;
  const int64_t all = expected.records * expected.epochs;
  if (samples != all) return miscounted("samples", samples, all);
  for (const auto& epoch : ledgers.front().epochs) {
    if (epoch.samples + epoch.superseded == expected.records) continue;
    return miscounted(fmt::format("samples of epoch {}", epoch.epoch), epoch.samples,
                      expected.records);
  }
  return ok_status();
}

JobResult result_of(const std::vector<wire::LedgerReply>& ledgers) {
  JobResult result;
  result.epochs = ledgers.front().epochs;
  for (const auto& epoch : result.epochs) {
    result.samples_trained += epoch.samples;
    result.samples_superseded += epoch.superseded;
  }
  double staleness = 0;
  int64_t applied = 0;
  int64_t fewest = -1;
  for (const wire::LedgerReply& ledger : ledgers) {
    fewest = fewest < 0 ? ledger.version : std::min(fewest, ledger.version);
    result.duplicate_pushes += ledger.duplicates;
    result.fenced_pushes += ledger.fenced;
    result.staleness_max = std::max(result.staleness_max, ledger.staleness_max);
    staleness += ledger.staleness_sum;
    applied += ledger.version - ledger.superseded;
  }
  if (!ledgers.empty()) {
    result.superseded_updates = ledgers[wire::ShardMap::kLedgerServer].superseded;
  }
  result.server_updates = std::max<int64_t>(fewest, 0);
  result.staleness_mean = applied == 0 ? 0 : staleness / static_cast<double>(applied);
  return result;
}

void add_members(const std::vector<wire::LedgerReply>& ledgers,
                 const std::vector<std::string>& addresses, const Members& members,
                 JobResult& result) {
  for (size_t server = 0; server < ledgers.size(); ++server) {
    const wire::LedgerReply& ledger = ledgers[server];
    result.servers.push_back(
        {addresses[server], ledger.shards, ledger.update_seconds, ledger.peak_memory_bytes});
  }
  std::map<int, WorkerReport> workers;
  for (const auto& [id, member] : members) {
    if (member.name.role != wire::Role::kWorker) continue;
    WorkerReport& report = workers[member.name.index];
    report.leases += member.leases;
    report.given += member.given;
    report.times_slower = std::max(report.times_slower, member.times_slower);
    report.peak_memory_bytes = std::max(report.peak_memory_bytes, member.peak_memory_bytes);
    for (const wire::Traffic& its : member.traffic) {
      auto known = std::ranges::find(report.traffic, its.server, &wire::Traffic::server);
      if (known == report.traffic.end()) known = report.traffic.emplace(known);
      wire::add(*known, its);
    }
    const core::ProcessFacts& process = member.name.process;
    report.processes.push_back({fmt::format("pid {} on {}", process.pid, process.host),
                                member.end ? member.end->fate : "still there",
                                member.end && (member.end->how == MemberEnded::How::kLeft ||
                                               member.end->how == MemberEnded::How::kDrained)});
  }
  for (const wire::WorkerCount& count : ledgers.front().workers) {
    workers[count.worker].updates = count.pushes;
    workers[count.worker].samples = count.samples;
  }
  for (auto& [index, report] : workers) {
    report.worker = index;
    result.workers.push_back(std::move(report));
  }
}

}  // namespace sluice::driver
