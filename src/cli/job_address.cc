#include "cli/job_address.h"

#include <fmt/format.h>

#include <ctime>
#include <stdexcept>

#include "launch/running_jobs.h"
#include "transport/grpc/socket_address.h"

namespace sluice::cli {
namespace {

// "2026-11-28 14:02:55".
std::string time_of(int64_t seconds) {
  const auto when = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::localtime_r(&when, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts)};
}

}  // namespace

Result<std::string> find_job(const std::string& given, const std::string& usage) {
  if (!given.empty()) {
    const auto parsed = transport::parse_address(given);
    if (!parsed.ok()) throw std::invalid_argument(parsed.status().message());
    return given;
  }
  SLUICE_ASSIGN_OR_RETURN(const auto jobs,
                          launch::find_running_jobs(launch::running_jobs_folder()));
  if (jobs.empty()) {
    return not_found(fmt::format(
        "no job of yours runs on this machine; name the driver of one elsewhere: {}", usage));
  }
  if (jobs.size() == 1) return jobs.front().address;
  std::string text = fmt::format("{} jobs of yours run on this machine:\n", jobs.size());
  for (const launch::RunningJob& job : jobs) {
    text += fmt::format("  {}  {}, pid {}, since {}\n", job.address, job.what, job.pid,
                        time_of(job.since));
  }
  return failed_precondition(text + fmt::format("choose one: {}", usage));
}

int exit_status_of(const Status& failed) {
  return failed.code() == StatusCode::kFailedPrecondition ? 2 : 1;
}

}  // namespace sluice::cli
