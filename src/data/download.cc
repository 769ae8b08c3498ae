#include "data/download.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "core/file_io.h"
#include "core/log.h"
#include "core/mapped_file.h"
#include "data/gzip.h"
#include "data/sha256.h"

namespace sluice::data {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

// A published .gz is never this much larger than what is in it.
constexpr uint64_t kGzipOverhead = 1 << 20;

std::string megabytes(int64_t bytes) {
  return fmt::format("{}.{} MB", bytes / 1000000, bytes / 100000 % 10);
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// A file that takes its name only when commit() is called.
class NewFile {
 public:
  static Result<NewFile> create(const std::string& path) {
    std::error_code error;
    fs::create_directories(fs::path(path).parent_path(), error);
    std::string temporary = path + ".XXXXXX";
    const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
    if (fd < 0) return cannot_write(path, errno);
    return NewFile(fd, path, std::move(temporary));
  }
  NewFile(NewFile&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        path_(std::move(other.path_)),
        temporary_(std::move(other.temporary_)) {}
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile() {
    if (fd_ < 0) return;
    ::close(fd_);
    ::unlink(temporary_.c_str());
  }

  Status write(std::span<const std::byte> bytes) {
    const int error = core::write_fully(fd_, bytes);
    return error == 0 ? ok_status() : cannot_write(path_, error);
  }

  Status commit() {
    if (::fchmod(fd_, 0644) != 0 || ::fsync(fd_) != 0 ||
        ::rename(temporary_.c_str(), path_.c_str()) != 0) {
      return cannot_write(path_, errno);
    }
    ::close(std::exchange(fd_, -1));
    return ok_status();
  }

 private:
  NewFile(int fd, std::string path, std::string temporary)
      : fd_(fd), path_(std::move(path)), temporary_(std::move(temporary)) {}

  static Status cannot_write(const std::string& path, int error) {
    return core::file_error("cannot write " + path, error,
                            "set XDG_CACHE_HOME to a folder with room that can be written");
  }

  int fd_;
  std::string path_, temporary_;
};

// What the mirror sent, in a temporary file.
Result<std::shared_ptr<const core::MappedFile>> fetch_body(const std::string& url, uint64_t most,
                                                           Fetcher& fetcher) {
  SLUICE_ASSIGN_OR_RETURN(core::TempFile body, core::TempFile::create());
  SLUICE_LOG(info, "downloading {}", url);
  auto said = steady_clock::now();
  const Status status = fetcher.fetch(url, [&](std::span<const std::byte> piece) -> Status {
    if (static_cast<uint64_t>(body.size()) + piece.size() > most) {
      return unavailable(url + ": sends more than the file can have");
    }
    if (steady_clock::now() - said > std::chrono::seconds(2)) {
      said = steady_clock::now();
      SLUICE_LOG(info, "downloading {}: {} so far", url, megabytes(body.size()));
    }
    return body.write(piece);
  });
  if (status.code() == StatusCode::kNotFound) return unavailable(status.message());
  SLUICE_RETURN_IF_ERROR(status);
  return body.map();
}

// UNAVAILABLE: the mirror's fault, another may do better. Any other code: this machine's.
Status fetch_file(const std::string& url, const PublishedFile& file, const std::string& path,
                  Fetcher& fetcher) {
  SLUICE_ASSIGN_OR_RETURN(const auto body, fetch_body(url, file.bytes + kGzipOverhead, fetcher));
  SLUICE_ASSIGN_OR_RETURN(NewFile out, NewFile::create(path));
  Sha256 sha;
  uint64_t size = 0;
  const auto keep = [&](std::span<const std::byte> piece) -> Status {
    size += piece.size();
    if (size > file.bytes) return unavailable(url + ": is larger than the published file");
    sha.update(piece);
    return out.write(piece);
  };
  const Status unpacked =
      is_gzip(body->bytes()) ? gunzip(url, body->bytes(), keep) : keep(body->bytes());
  if (unpacked.code() == StatusCode::kDataLoss) return unavailable(unpacked.message());
  SLUICE_RETURN_IF_ERROR(unpacked);
  if (const std::string found = sha.hex(); found != file.sha256) {
    return unavailable(fmt::format("{}: expected SHA-256 {}, found {}", url, file.sha256, found));
  }
  SLUICE_RETURN_IF_ERROR(out.commit());
  SLUICE_LOG(info, "{}: {}, checked", path, megabytes(static_cast<int64_t>(file.bytes)));
  return ok_status();
}

// Tries the mirrors from number `first` on; leaves there the one that had the file.
Status fetch_from_any(const PublishedDataset& dataset, const PublishedFile& file,
                      const std::string& path, Fetcher& fetcher, size_t& first) {
  std::string reasons;
  for (size_t m = 0; m < dataset.mirrors.size(); ++m) {
    const size_t mirror = (first + m) % dataset.mirrors.size();
    const std::string url = fmt::format("{}/{}.gz", dataset.mirrors[mirror], file.name);
    const Status status = fetch_file(url, file, path, fetcher);
    if (status.ok()) first = mirror;
    if (status.code() != StatusCode::kUnavailable) return status;
    reasons += (reasons.empty() ? "" : "\n") + status.message();
  }
  return unavailable(reasons);
}

Status check_cached(const std::string& path, const PublishedFile& file) {
  SLUICE_ASSIGN_OR_RETURN(const std::string digest, digest_of(path, file.bytes));
  if (digest == file.sha256) return ok_status();
  return data_loss(
      fmt::format("{}: expected SHA-256 {}, found {}: it is damaged; delete it, and it will be "
                  "downloaded again",
                  path, file.sha256, digest));
}

}  // namespace

std::string cache_folder() {
  if (const std::string xdg = environment("XDG_CACHE_HOME"); !xdg.empty()) return xdg + "/sluice";
  if (const std::string home = environment("HOME"); !home.empty()) return home + "/.cache/sluice";
  return fmt::format("/tmp/sluice-cache-{}", ::getuid());
}

bool is_offline() {
  const std::string value = environment("SLUICE_OFFLINE");
  return !value.empty() && value != "0";
}

Result<std::optional<PublishedPaths>> find_downloaded(const PublishedDataset& dataset,
                                                      const std::string& folder) {
  PublishedPaths paths;
  for (size_t i = 0; i < 4; ++i) {
    paths[i] = folder + "/" + dataset.files[i].name;
    if (!exists(paths[i])) return std::optional<PublishedPaths>();
  }
  for (size_t i = 0; i < 4; ++i) SLUICE_RETURN_IF_ERROR(check_cached(paths[i], dataset.files[i]));
  return std::optional(paths);
}

Result<PublishedPaths> download(const PublishedDataset& dataset, const std::string& folder,
                                Fetcher& fetcher) {
  PublishedPaths paths;
  size_t mirror = 0;
  for (size_t i = 0; i < 4; ++i) {
    const PublishedFile& file = dataset.files[i];
    paths[i] = folder + "/" + file.name;
    if (exists(paths[i])) {
      SLUICE_RETURN_IF_ERROR(check_cached(paths[i], file));
      continue;
    }
    SLUICE_RETURN_IF_ERROR(fetch_from_any(dataset, file, paths[i], fetcher, mirror));
  }
  return paths;
}

}  // namespace sluice::data
