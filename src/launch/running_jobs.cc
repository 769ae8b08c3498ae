#include "launch/running_jobs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/json_text.h"
#include "core/log.h"
#include "core/process_info.h"
#include "core/real_world.h"
#include "launch/signals.h"

namespace sluice::launch {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSuffix = ".job";
constexpr size_t kLargest = 65536;

Status refused(const std::string& folder, const std::string& why) {
  return {StatusCode::kPermissionDenied,
          fmt::format("{}: {}; remove it, or set XDG_RUNTIME_DIR to a folder of your own", folder,
                      why)};
}

// An open folder, so that what was checked is what is used. -1: it is not there.
class Folder {
 public:
  static Result<Folder> open(const std::string& path) {
    Folder folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (folder.fd_ < 0 && errno == ENOENT) return folder;
    if (folder.fd_ < 0) {
      const bool link = errno == ELOOP || errno == ENOTDIR;
      return refused(path, link ? "is no folder" : std::strerror(errno));
    }
    struct stat info {};
    if (::fstat(folder.fd_, &info) != 0) return refused(path, std::strerror(errno));
    if (info.st_uid != ::geteuid()) return refused(path, "belongs to another user");
    if ((info.st_mode & 077) != 0) return refused(path, "others may look into it");
    return folder;
  }
  Folder(Folder&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Folder& operator=(Folder&&) = delete;
  ~Folder() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  explicit Folder(int fd) : fd_(fd) {}
  int fd_;
};

std::string as_json(const RunningJob& job) {
  return core::json_text(Json{{"address", job.address},
                              {"what", job.what},
                              {"pid", job.pid},
                              {"started", job.started},
                              {"machine", job.machine},
                              {"since", job.since}}) +
         "\n";
}

std::optional<RunningJob> parse(const std::string& text) {
  try {
    const Json json = core::parse_json(text);
    return RunningJob{json.at("address"), json.at("what"),    json.at("pid"),
                      json.at("started"), json.at("machine"), json.at("since")};
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::string read_text(const Folder& folder, const char* name) {
  const int fd = ::openat(folder.fd(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return "";
  std::string text(kLargest, '\0');
  const ssize_t size = ::read(fd, text.data(), text.size());
  ::close(fd);
  text.resize(size < 0 ? 0 : static_cast<size_t>(size));
  return text;
}

// Whether the process that wrote this is still there: a number alone may be another's by now.
bool runs(const RunningJob& job) {
  return job.machine == core::boot_id() && job.pid > 0 &&
         core::start_ticks_of(job.pid) == job.started;
}

bool write_text(const Folder& folder, const std::string& name, const std::string& text) {
  const std::string unnamed = name + ".new";
  const int fd = ::openat(folder.fd(), unnamed.c_str(),
                          O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const ssize_t written = ::write(fd, text.data(), text.size());
  ::close(fd);
  return written == static_cast<ssize_t>(text.size()) &&
         ::renameat(folder.fd(), unnamed.c_str(), folder.fd(), name.c_str()) == 0;
}

// A process may have several jobs, one after the other or beside each other.
std::string new_name() {
  return fmt::format("{}-{:08x}{}", ::getpid(),
                     static_cast<uint32_t>(core::real_world().unique_number()), kSuffix);
}

}  // namespace

std::string running_jobs_folder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && runtime[0] == '/') return std::string(runtime) + "/sluice";
  return fmt::format("/tmp/sluice-{}", ::geteuid());
}

RunningJobFile::RunningJobFile(const std::string& folder, const std::string& address,
                               const std::string& what) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    SLUICE_LOG(info, "sluice status will not find this job by itself: {}: {}", folder,
               std::strerror(errno));
    return;
  }
  const Result<Folder> opened = Folder::open(folder);
  if (!opened.ok() || opened->fd() < 0) {
    SLUICE_LOG(info, "sluice status will not find this job by itself: {}",
               opened.ok() ? folder + " is gone" : opened.status().message());
    return;
  }
  const std::string name = new_name();
  const RunningJob job{address,           what, ::getpid(), core::start_ticks(), core::boot_id(),
                       std::time(nullptr)};
  if (!write_text(*opened, name, as_json(job))) {
    SLUICE_LOG(info, "sluice status will not find this job by itself: {}/{}: {}", folder, name,
               std::strerror(errno));
    return;
  }
  path_ = folder + "/" + name;
  remove_at_end(path_);
}

RunningJobFile::~RunningJobFile() {
  if (path_.empty()) return;
  ::unlink(path_.c_str());
  forget_at_end(path_);
}

Result<std::vector<RunningJob>> find_running_jobs(const std::string& folder) {
  std::vector<RunningJob> jobs;
  SLUICE_ASSIGN_OR_RETURN(const Folder opened, Folder::open(folder));
  if (opened.fd() < 0) return jobs;
  DIR* listing = ::fdopendir(::fcntl(opened.fd(), F_DUPFD_CLOEXEC, 0));
  if (listing == nullptr) return refused(folder, std::strerror(errno));
  while (const dirent* entry = ::readdir(listing)) {
    if (!std::string_view(entry->d_name).ends_with(kSuffix)) continue;
    const std::optional<RunningJob> job = parse(read_text(opened, entry->d_name));
    if (job && runs(*job)) {
      jobs.push_back(*job);
    } else {
      ::unlinkat(opened.fd(), entry->d_name, 0);
    }
  }
  ::closedir(listing);
  std::ranges::sort(jobs, {}, [](const RunningJob& job) { return std::pair(job.since, job.pid); });
  return jobs;
}

}  // namespace sluice::launch
