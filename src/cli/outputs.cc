#include "cli/outputs.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "core/atomic_file.h"
#include "data/records.h"
#include "nn/checkpoint.h"

namespace sluice::cli {
namespace {

namespace fs = std::filesystem;

// The file's only name, also while it is not there.
fs::path true_name(const std::string& path) {
  std::error_code ignored;
  return fs::weakly_canonical(fs::absolute(core::follow_links(path)), ignored);
}

// Also under another name; devices and pipes are nobody's own.
bool are_one_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  if (core::is_standard_output(a) && core::is_standard_output(b)) return true;
  if (fs::exists(a, ignored)) {
    return fs::is_regular_file(a, ignored) && fs::equivalent(a, b, ignored);
  }
  return !fs::exists(b, ignored) && true_name(a) == true_name(b);
}

// Those that are asked for, with their flags.
std::vector<std::pair<const char*, std::string>> outputs(const train::JobConfig& config) {
  std::vector<std::pair<const char*, std::string>> all = {{"save", config.save},
                                                          {"report", config.report},
                                                          {"history", config.history},
                                                          {"port_file", config.port_file}};
  std::erase_if(all, [](const auto& output) { return output.second.empty(); });
  return all;
}

}  // namespace

train::JobConfig with_standard_output(train::JobConfig config) {
  for (std::string* path : {&config.save, &config.report, &config.history}) {
    if (*path == "-") *path = "/dev/stdout";
  }
  return config;
}

bool takes_standard_output(const train::JobConfig& config) {
  for (const auto& [field, path] : outputs(config)) {
    if (core::is_standard_output(path)) return true;
  }
  return false;
}

void check_outputs(const train::JobConfig& config, const std::vector<std::string>& inputs) {
  const auto all = outputs(config);
  for (auto output = all.begin(); output != all.end(); ++output) {
    const auto& [field, path] = *output;
    for (const std::string& input : inputs) {
      std::error_code ignored;
      if (fs::exists(input, ignored) && are_one_file(path, input)) {
        throw train::InvalidField(field, path + " is read by this job; choose another file");
      }
    }
    if (config.listen.starts_with("unix:") && are_one_file(path, config.listen.substr(5))) {
      throw train::InvalidField(field, path + " is the job's own socket; choose another file");
    }
    const Status writable = core::can_replace_file(path);
    if (!writable.ok()) throw train::InvalidField(field, writable.message());
    for (auto other = all.begin(); other != output; ++other) {
      if (!are_one_file(path, other->second)) continue;
      throw train::InvalidField(
          field, fmt::format("expected another file than --{}, got {}", other->first, path));
    }
  }
  if (config.save.empty()) return;
  const Status named = nn::check_checkpoint_name(config.save);
  if (!named.ok()) throw train::InvalidField("save", named.message());
}

LineFile::LineFile(const std::string& path)
    : path_(path), file_(core::is_standard_output(path) ? stdout : std::fopen(path.c_str(), "we")) {
  if (file_ == nullptr) {
    throw std::invalid_argument(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  }
}

void LineFile::write(const std::string& line) {
  if (error_ != 0) return;
  if (std::fputs(line.c_str(), file_.get()) < 0 || std::fflush(file_.get()) != 0) error_ = errno;
}

Status LineFile::close() {
  if (error_ == 0) return ok_status();
  return unavailable(fmt::format("cannot write {}: {}", path_, std::strerror(error_)));
}

std::vector<std::string> files_of(const TrainTest& data) {
  std::vector<std::string> files;
  for (const Dataset* set : {&data.train, &data.test}) {
    for (const auto& file : set->records()->info().source.files) files.push_back(file.path);
  }
  return files;
}

}  // namespace sluice::cli
