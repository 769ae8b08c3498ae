#include "cli/outputs.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <span>
#include <stdexcept>

#include "core/file_io.h"
#include "data/records.h"

namespace sluice::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char kSave[] = "save", kReport[] = "report", kHistory[] = "history",
                     kPortFile[] = "port_file";

// What a report takes beside the model's description.
constexpr uint64_t kReportBytes = 16 << 10;

// Also under another name; devices and pipes are nobody's own.
bool are_one_file(const core::OutputFile& a, const core::OutputFile& b) {
  std::error_code ignored;
  if (core::is_standard_output(a.path()) && core::is_standard_output(b.path())) return true;
  if (fs::exists(a.place(), ignored)) {
    return fs::is_regular_file(a.place(), ignored) && fs::equivalent(a.place(), b.place(), ignored);
  }
  return !fs::exists(b.place(), ignored) && a.place() == b.place();
}

void require(const std::string& field, const Status& status) {
  if (!status.ok()) throw train::InvalidField(field, status.message());
}

}  // namespace

void require_apart(const core::OutputFile& output, const std::vector<std::string>& inputs) {
  for (const std::string& path : inputs) {
    std::error_code ignored;
    if (!fs::exists(path, ignored) || !are_one_file(output, core::OutputFile(path))) continue;
    throw std::invalid_argument(output.path() +
                                " is read by this command too; choose another file");
  }
}

train::JobConfig with_standard_output(train::JobConfig config) {
  for (std::string* path : {&config.save, &config.report, &config.history}) {
    if (*path == "-") *path = "/dev/stdout";
  }
  return config;
}

Outputs::Outputs(const train::JobConfig& config, const std::vector<std::string>& inputs) {
  if (!config.save.empty()) {
    try {
      save_.emplace(config.save);
    } catch (const std::invalid_argument& error) {
      throw train::InvalidField(kSave, error.what());
    }
    if (save_->format() == formats::Format::kJson) {
      throw train::InvalidField(
          kSave, config.save +
                     ": .json has no place for weights, and what is learned would be "
                     "lost; save to .keras, or to .weights.h5 for the weights alone");
    }
  }
  add(kReport, config.report);
  add(kHistory, config.history);
  add(kPortFile, config.port_file);
  check_apart_from(inputs);
  for (const auto& [field, file] : files()) {
    if (config.listen.starts_with("unix:") &&
        are_one_file(*file, core::OutputFile(config.listen.substr(5)))) {
      throw train::InvalidField(field,
                                file->path() + " is the job's own socket; choose another file");
    }
  }
  if (save_) require(kSave, save_->check());
  for (const auto& [field, file] : files_) {
    require(field, field == kHistory ? file.check_in_place() : file.check());
  }
}

std::vector<std::pair<std::string, const core::OutputFile*>> Outputs::files() const {
  std::vector<std::pair<std::string, const core::OutputFile*>> files;
  if (save_ && save_->file() != nullptr) files.emplace_back(kSave, save_->file());
  for (const auto& [field, file] : files_) files.emplace_back(field, &file);
  return files;
}

void Outputs::add(const char* field, const std::string& path) {
  if (path.empty()) return;
  core::OutputFile file(path);
  for (const auto& [other, earlier] : files()) {
    if (!are_one_file(file, *earlier)) continue;
    throw train::InvalidField(field,
                              fmt::format("expected another file than --{}, got {}", other, path));
  }
  files_.emplace_back(field, std::move(file));
}

core::OutputFile* Outputs::find(const char* field) {
  const auto found = std::find_if(files_.begin(), files_.end(),
                                  [field](const auto& output) { return output.first == field; });
  return found == files_.end() ? nullptr : &found->second;
}

void Outputs::check_apart_from(const std::vector<std::string>& inputs) const {
  for (const auto& [field, file] : files()) {
    try {
      require_apart(*file, inputs);
    } catch (const std::invalid_argument& error) {
      throw train::InvalidField(field, error.what());
    }
  }
}

void Outputs::check_room_for(const Model& model) {
  if (save_) require(kSave, save_->check(model));
  if (const core::OutputFile* file = find(kReport)) {
    require(kReport, file->check(kReportBytes + model.to_json().size()));
  }
}

void Outputs::open() {
  if (save_) require(kSave, save_->open());
  for (auto& [field, file] : files_) {
    if (field != kPortFile) require(field, file.open());
  }
}

bool Outputs::take_standard_output() const {
  const auto all = files();
  return std::any_of(all.begin(), all.end(), [](const auto& output) {
    return core::is_standard_output(output.second->path());
  });
}

Status Outputs::save(const Model& model) { return save_->write(model); }

Status Outputs::write_report(const show::JobReport& report) {
  return show::write_report(report, *find(kReport));
}

std::unique_ptr<LineFile> Outputs::open_history() {
  core::OutputFile* file = find(kHistory);
  return file == nullptr ? nullptr : std::make_unique<LineFile>(*file);
}

LineFile::LineFile(core::OutputFile& file) : path_(file.path()) {
  const Result<int> fd = file.open_in_place();
  if (!fd.ok()) throw std::invalid_argument(fd.status().message());
  fd_ = *fd;
}

LineFile::~LineFile() { ::close(fd_); }

void LineFile::write(const std::string& line) {
  if (error_ == 0) error_ = core::write_fully(fd_, std::as_bytes(std::span(line)));
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
