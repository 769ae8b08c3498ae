#include "core/process_info.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <new>
#include <sstream>
#include <system_error>
#include <thread>
#include <vector>

#include "core/control_groups.h"
#include "core/world.h"

namespace sluice::core {

int64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind("VmHWM:", 0) != 0) continue;
    std::istringstream fields(line.substr(6));
    int64_t kilobytes = 0;
    fields >> kilobytes;
    return kilobytes * 1024;
  }
  return 0;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

std::string to_text(const ProcessFacts& process) {
  const std::string& container = process.container;
  const bool named = !container.empty() && !process.host.starts_with(container);
  return fmt::format("pid {} on {}{}", process.pid, process.host,
                     named ? ", container " + container : "");
}

// A container's number has 64 hexadecimal digits: a group of the host is named after it, or, where
// namespaces hide that, the folder that its host name is mounted from.
std::string container_name(const std::string& root) {
  if (const char* pod = std::getenv("POD_NAME"); pod != nullptr) return pod;
  constexpr size_t kDigits = 64;
  constexpr size_t kShown = 12;
  for (const char* file : {"/proc/self/cgroup", "/proc/self/mountinfo"}) {
    std::ifstream stream(root + file);
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    const auto is_digit = [](unsigned char c) { return std::isxdigit(c) != 0; };
    for (auto at = text.begin(); at != text.end();) {
      const auto end = std::find_if_not(at, text.end(), is_digit);
      if (end - at == kDigits) return {at, at + kShown};
      at = end == text.end() ? end : end + 1;
    }
  }
  return "";
}

// Field 22 of proc(5)'s stat; the second, the program's name, may hold anything but ends at the
// last parenthesis.
int64_t start_ticks() { return start_ticks_of(getpid()); }

int64_t start_ticks_of(int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(line.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  int64_t ticks = 0;
  fields >> ticks;
  return fields ? ticks : 0;
}

void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);  // as it was, then
}

int64_t usable_memory_bytes() {
  const int64_t machine = int64_t{sysconf(_SC_PHYS_PAGES)} * int64_t{sysconf(_SC_PAGESIZE)};
  const int64_t limit = memory_bound().limit_bytes;
  return limit > 0 ? std::min(limit, machine) : machine;
}

std::string memory_text(double bytes) {
  constexpr const char* kUnits[] = {"B", "KB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1024;
  char text[64];
  std::snprintf(text, sizeof(text), "%.2f %s", bytes, kUnits[unit]);
  return text;
}

void hold_standard_files() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest number that is free is this one. What it cannot do fails as it would have.
    (void)!::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

namespace {

// gRPC has a dozen to itself, and each member takes a connection each way.
Status can_open_files(int members) {
  const size_t wanted = 32 + 2 * static_cast<size_t>(members);
  std::vector<int> files;
  int fd = 0;
  while (files.size() < wanted && (fd = ::eventfd(0, EFD_CLOEXEC)) >= 0) files.push_back(fd);
  const int error = errno;
  for (const int file : files) ::close(file);
  if (files.size() == wanted) return ok_status();
  return {StatusCode::kResourceExhausted,
          fmt::format("only {} of {} files could be opened: {}; raise this process's limit "
                      "(ulimit -n)",
                      files.size(), wanted, std::strerror(error))};
}

Status can_start_threads() {
  // gRPC has some for each core, and memory of its own for each.
  const size_t wanted = 16 + 4 * std::max<size_t>(std::thread::hardware_concurrency(), 1);
  std::vector<std::thread> threads;
  std::promise<void> enough;
  const std::shared_future<void> all = enough.get_future().share();
  std::string why;
  try {
    while (threads.size() < wanted) {
      threads.emplace_back([all] {
        const auto own = std::make_unique<std::string>(1024, ' ');  // malloc takes some, too
        all.wait();
      });
    }
  } catch (const std::system_error& error) {
    why = error.code().message();
  } catch (const std::bad_alloc&) {
    why = "no memory";
  }
  const size_t had = threads.size();
  enough.set_value();
  for (std::thread& thread : threads) thread.join();
  if (why.empty()) return ok_status();
  return {StatusCode::kResourceExhausted,
          fmt::format("only {} of {} threads could be started: {}; raise this process's limits "
                      "(ulimit -u, ulimit -v, pids of its container)",
                      had, wanted, why)};
}

}  // namespace

Status check_limits(int members) {
  SLUICE_RETURN_IF_ERROR(can_open_files(members));
  return can_start_threads();
}

}  // namespace sluice::core
