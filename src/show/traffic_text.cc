#include "show/traffic_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/count_text.h"
#include "core/printable.h"
#include "core/process_info.h"

namespace sluice::show {
namespace {

std::string bytes_text(int64_t bytes) { return core::memory_text(static_cast<double>(bytes)); }

std::string duration_text(double seconds) {
  return seconds < 1 ? fmt::format("{:.3g} ms", 1000 * seconds) : fmt::format("{:.1f} s", seconds);
}

std::string line_of(wire::Path::Way way, const wire::Traffic& all) {
  std::string text = fmt::format("{}: {} sent, {} received", to_string(way),
                                 bytes_text(all.sent_bytes), bytes_text(all.received_bytes));
  if (all.saved_bytes > 0) {
    text += fmt::format(", {} saved by compression", bytes_text(all.saved_bytes));
  }
  return text + fmt::format(", {} of {}", core::counted(all.exchanges, "exchange", "exchanges"),
                            duration_text(all.seconds / static_cast<double>(all.exchanges)));
}

}  // namespace

// An exchange is with all servers at once.
std::vector<std::string> traffic_lines(const std::vector<wire::Traffic>& traffic) {
  std::map<wire::Path::Way, wire::Traffic> ways;
  std::set<std::string> hints;
  for (const wire::Traffic& its : traffic) {
    if (its.exchanges <= 0) continue;
    wire::Traffic& all = ways[its.path.way];
    const int64_t exchanges = std::max(all.exchanges, its.exchanges);
    const double seconds = std::max(all.seconds, its.seconds);
    wire::add(all, its);
    all.exchanges = exchanges;
    all.seconds = seconds;
    if (!its.path.hint.empty()) hints.insert(core::printable(its.path.hint));
  }
  std::vector<std::string> lines;
  for (const auto& [way, all] : ways) lines.push_back(line_of(way, all));
  for (const std::string& hint : hints) lines.push_back("hint: " + hint);
  return lines;
}

}  // namespace sluice::show
