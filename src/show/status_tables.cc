#include "show/status_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/count_text.h"
#include "core/printable.h"
#include "show/progress_view.h"
#include "show/text_table.h"
#include "show/traffic_text.h"

namespace sluice::show {

using core::with_separators;
using driver::JobStatus;

namespace {

std::string where(const JobStatus::Member& member) {
  std::string text = fmt::format("{} on {}", member.pid, name_text(member.host));
  return member.container.empty() ? text : text + ", " + name_text(member.container);
}

std::string memory(const JobStatus::Member& member) {
  return member.peak_memory_bytes > 0 ? fmt::format("{} MB", member.peak_memory_bytes >> 20) : "-";
}

void add_what_it_waits_for(const JobStatus::Member& member, TextTable& table) {
  if (member.waiting_for.empty() || member.state == "paused") return;
  table.add_below(
      fmt::format("waits {} for {}", time_text(member.waiting_s), name_text(member.waiting_for)));
}

// How far it is ahead of the slowest, and whether its answer is held for that.
std::string ahead(const JobStatus::Gate& gate, int64_t worker) {
  const auto known = std::ranges::find(gate.workers, worker, &JobStatus::Gate::Worker::worker);
  if (known == gate.workers.end() || known->windows < 0) return "-";
  const std::string windows = std::to_string(std::max<int64_t>(known->windows - gate.floor, 0));
  if (known->answer_held_s < 0) return windows;
  return fmt::format("{}, held {}", windows, time_text(known->answer_held_s));
}

const JobStatus::Lease* lease_of(const JobStatus& status, int64_t worker) {
  const auto found = std::ranges::find(status.leases, worker, &JobStatus::Lease::worker);
  return found == status.leases.end() ? nullptr : &*found;
}

}  // namespace

std::string time_text(double seconds) {
  if (seconds < 0) return "-";
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  return seconds < 100 ? fmt::format("{:.0f} s", seconds) : format_seconds(seconds);
}

std::string name_text(const std::string& text) { return core::printable(text); }

std::string server_table(const JobStatus& status) {
  using enum TextTable::Align;
  TextTable table({{"SERVER"},
                   {"PID"},
                   {"STATE"},
                   {"SEEN", kRight},
                   {"SHARDS", kRight},
                   {"VERSION", kRight},
                   {"STALENESS", kRight},
                   {"MEMORY", kRight}});
  bool any = false;
  for (const JobStatus::Member& member : status.members) {
    if (member.role != "server") continue;
    any = true;
    std::vector<std::string> row = {std::to_string(member.index),
                                    where(member),
                                    member.state,
                                    time_text(member.heard_s),
                                    "-",
                                    "-",
                                    "-",
                                    memory(member)};
    std::string counts;
    for (const JobStatus::Server& server : status.servers) {
      if (server.server != member.index) continue;
      row[4] = std::to_string(server.shards);
      row[5] = with_separators(server.version);
      row[6] = fmt::format("{:.2f}, max {}", server.staleness_mean, server.staleness_max);
      if (server.duplicates > 0) {
        counts = core::counted(server.duplicates, "push came again", "pushes came again");
      }
      if (server.fenced > 0) {
        counts += (counts.empty() ? "" : ", ") +
                  core::counted(server.fenced, "push of a lost lease was refused",
                                "pushes of lost leases were refused");
      }
    }
    table.add(std::move(row));
    if (!counts.empty()) table.add_below(counts);
    add_what_it_waits_for(member, table);
  }
  return any ? table.text() : "";
}

std::string worker_table(const JobStatus& status) {
  using enum TextTable::Align;
  const bool gated = status.gate.rounds || status.gate.max_staleness >= 0;
  std::vector<TextTable::Column> columns = {
      {"WORKER"},        {"PID"},          {"STATE"},        {"SEEN", kRight},  {"GOT ON", kRight},
      {"LEASE", kRight}, {"STEP", kRight}, {"HELD", kRight}, {"MEMORY", kRight}};
  if (gated) columns.push_back({"AHEAD", kRight});
  TextTable table(std::move(columns));
  bool any = false;
  for (const JobStatus::Member& member : status.members) {
    if (member.role != "worker") continue;
    any = true;
    const JobStatus::Lease* lease = lease_of(status, member.index);
    std::vector<std::string> row = {std::to_string(member.index), where(member), member.state,
                                    time_text(member.heard_s), time_text(member.progress_s)};
    if (lease == nullptr) {
      row.insert(row.end(), 3, "-");
    } else {
      row.push_back(
          fmt::format("{}: {}-{}", lease->partition, lease->first_push, lease->last_push));
      row.push_back(fmt::format("{}/{}", lease->step, lease->steps));
      row.push_back(time_text(lease->held_s));
    }
    row.push_back(memory(member));
    if (gated) row.push_back(ahead(status.gate, member.index));
    table.add(std::move(row));
    add_what_it_waits_for(member, table);
    for (const std::string& line : traffic_lines(member.traffic)) table.add_below(line);
  }
  return any ? table.text() : "";
}

}  // namespace sluice::show
