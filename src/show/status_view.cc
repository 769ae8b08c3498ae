#include "show/status_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <vector>

#include "core/count_text.h"
#include "core/process_info.h"
#include "driver/job_event.h"
#include "show/progress_view.h"
#include "show/status_tables.h"

namespace sluice::show {
namespace {

using core::with_separators;
using driver::JobStatus;

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

// Nothing where nobody waits for anybody.
std::string gate_line(const JobStatus& status) {
  const JobStatus::Gate& gate = status.gate;
  std::string text;
  if (gate.rounds) {
    text = "in rounds";
    if (gate.backup_workers > 0) {
      text += fmt::format(", which do not wait for the last {}", gate.backup_workers);
    }
  } else if (gate.max_staleness >= 0) {
    text = core::counted(gate.max_staleness, "window", "windows") + " ahead of the slowest at most";
  } else {
    return "";
  }
  if (!gate.slowest.empty()) {
    double longest = 0;
    for (const auto& worker : gate.workers) longest = std::max(longest, worker.answer_held_s);
    const bool several = gate.slowest.starts_with("workers");
    text += fmt::format("; answers are held, for up to {}, until {} {} pushed window {}",
                        time_text(longest), name_text(gate.slowest), several ? "have" : "has",
                        gate.floor + 1);
  }
  if (gate.superseded > 0) {
    text += "; " + core::counted(gate.superseded, "update", "updates") +
            " came too late for a round, and did not count";
  }
  return text + "\n";
}

// As a job's first lines, where there is something to say.
std::string gain_line(const JobStatus& status) {
  const JobStatus::Gain& gain = status.gain;
  if (gain.value <= 1) return "";
  const std::string text =
      to_text(driver::GainChanged{static_cast<int>(gain.workers), gain.value, gain.scale});
  return text + (gain.bounded ? "\n" : ", as published\n");
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

std::string knob_lines(const JobStatus& status) {
  std::string text;
  for (const JobStatus::Knob& knob : status.knobs) {
    text += fmt::format("{} {}", name_text(knob.name), name_text(knob.value)) + "\n";
  }
  for (const JobStatus::Change& change : status.changes) {
    const driver::JobChanged changed{change.knob, change.from, change.to, change.by};
    text += fmt::format("{} ago {}\n", time_text(change.ago_s), name_text(to_text(changed)));
  }
  for (const JobStatus::Move& move : status.moves) {
    const driver::ServersChanged changed{static_cast<int>(move.from), static_cast<int>(move.to),
                                         move.bytes, move.held_s};
    text += fmt::format("{} ago {}\n", time_text(move.ago_s), to_text(changed));
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
  std::string text = job_lines(status) + epoch_lines(status) + gain_line(status) +
                     gate_line(status) + wait_line(status);
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
