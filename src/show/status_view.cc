#include "show/status_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <vector>

#include "core/count_text.h"
#include "core/printable.h"
#include "core/process_info.h"
#include "driver/job_event.h"
#include "show/progress_view.h"
#include "show/text_table.h"

namespace sluice::show {
namespace {

using core::with_separators;
using driver::JobStatus;

// "0.4 s", "12 s", "1:02:03".
std::string time_text(double seconds) {
  if (seconds < 0) return "-";
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  return seconds < 100 ? fmt::format("{:.0f} s", seconds) : format_seconds(seconds);
}

// What names of others' making may hold must not reach the terminal as it is.
std::string name_text(const std::string& text) { return core::printable(text); }

std::string job_lines(const JobStatus& status) {
  const JobStatus::Job& job = status.job;
  std::string text =
      fmt::format("{}: {} on {}, {} with {}\n", name_text(job.phase), name_text(job.model),
                  name_text(job.dataset), name_text(job.trainer), name_text(job.optimizer));
  text += fmt::format("driver (pid {} on {}), for {}", job.pid, name_text(job.host),
                      time_text(job.running_s));
  if (job.training_s >= 0) text += fmt::format(", trains for {}", time_text(job.training_s));
  text += fmt::format("; {} parameters\n", with_separators(job.parameters));
  const double done = 100 * static_cast<double>(job.samples) /
                      static_cast<double>(std::max<int64_t>(job.total_samples, 1));
  text +=
      fmt::format("{} of {} samples ({:.0f}%), {} of {} updates\n", with_separators(job.samples),
                  with_separators(job.total_samples), std::floor(done),
                  with_separators(job.updates), with_separators(job.total_updates));
  const JobStatus::Rates& rates = status.rates;
  if (rates.over_s <= 0) return text;
  const auto samples = static_cast<int64_t>(std::llround(rates.samples_per_s));
  return text + fmt::format("{} samples/s, {:.1f} updates/s, {}/s pushed, over {}\n",
                            with_separators(samples), rates.updates_per_s,
                            core::memory_text(rates.pushed_bytes_per_s), time_text(rates.over_s));
}

// Those that are under way, and the last that is complete.
std::string epoch_lines(const JobStatus& status) {
  std::string text;
  for (size_t i = 0; i < status.epochs.size(); ++i) {
    const JobStatus::Epoch& epoch = status.epochs[i];
    const bool complete = epoch.samples >= epoch.records;
    const bool next_too = i + 1 < status.epochs.size() &&
                          status.epochs[i + 1].samples >= status.epochs[i + 1].records;
    if (complete && next_too) continue;
    text += fmt::format("epoch {} of {}: {}/{}, loss {}\n", epoch.epoch, status.job.epochs,
                        epoch.samples, epoch.records, format_loss(epoch.loss));
  }
  return text;
}

std::string wait_line(const JobStatus& status) {
  const JobStatus::Wait& wait = status.waits;
  if (wait.whom.empty()) return "";
  std::string text = fmt::format("waiting {} for {}", time_text(wait.for_s), name_text(wait.whom));
  if (wait.given_up_in_s >= 0)
    text += fmt::format(" (given up in {})", time_text(wait.given_up_in_s));
  if (!wait.advice.empty()) text += "; " + name_text(wait.advice);
  return text + "\n";
}

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
      row[5] = with_separators(server.version_max);
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

const JobStatus::Lease* lease_of(const JobStatus& status, int64_t worker) {
  const auto found = std::ranges::find(status.leases, worker, &JobStatus::Lease::worker);
  return found == status.leases.end() ? nullptr : &*found;
}

std::string worker_table(const JobStatus& status) {
  using enum TextTable::Align;
  TextTable table({{"WORKER"},
                   {"PID"},
                   {"STATE"},
                   {"SEEN", kRight},
                   {"GOT ON", kRight},
                   {"PARTITION", kRight},
                   {"STEP", kRight},
                   {"HELD", kRight},
                   {"MEMORY", kRight}});
  bool any = false;
  for (const JobStatus::Member& member : status.members) {
    if (member.role != "worker") continue;
    any = true;
    const JobStatus::Lease* lease = lease_of(status, member.index);
    table.add({std::to_string(member.index), where(member), member.state, time_text(member.heard_s),
               time_text(member.progress_s),
               lease == nullptr ? "-" : std::to_string(lease->partition),
               lease == nullptr ? "-" : fmt::format("{}/{}", lease->step, lease->steps),
               lease == nullptr ? "-" : time_text(lease->held_s), memory(member)});
    add_what_it_waits_for(member, table);
  }
  return any ? table.text() : "";
}

std::string knob_lines(const JobStatus& status) {
  std::string text;
  for (const JobStatus::Knob& knob : status.knobs) {
    text += fmt::format("{} {}", name_text(knob.name), name_text(knob.value)) + "\n";
  }
  for (const JobStatus::Change& change : status.changes) {
    const driver::JobChanged changed{change.knob, change.from, change.to, change.by};
    text += fmt::format("{} ago {}\n", time_text(change.ago_s), name_text(to_text(changed)));
  }
  return text;
}

// Where a line that is too long is broken; words that are too long are.
size_t last_blank(const std::string& line, size_t columns) {
  const size_t blank = line.find_last_of(' ', columns);
  const bool is_margin = blank == std::string::npos || line.find_first_not_of(' ') >= blank;
  return is_margin || line.find_first_not_of(' ', blank) == std::string::npos ? columns : blank;
}

}  // namespace

std::string to_text(const JobStatus& status) {
  std::string text = job_lines(status) + epoch_lines(status) + wait_line(status);
  for (const std::string& part : {server_table(status), worker_table(status), knob_lines(status)}) {
    if (!part.empty()) text += "\n" + part;
  }
  return text;
}

std::string fit(const std::string& text, size_t columns, size_t rows) {
  std::string result;
  std::istringstream lines(text);
  size_t row = 0;
  for (std::string line; std::getline(lines, line);) {
    for (; row < rows; ++row) {
      const size_t cut = line.size() <= columns ? line.size() : last_blank(line, columns);
      result += line.substr(0, cut) + "\n";
      if (cut == line.size()) break;
      line = "  " + line.substr(line.find_first_not_of(' ', cut));
    }
    if (++row >= rows) break;
  }
  return result;
}

}  // namespace sluice::show
