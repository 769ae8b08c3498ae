// Files that a job writes at its end, tried before it begins.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "formats/model_file.h"
#include "show/report.h"
#include "sluice/dataset.h"
#include "sluice/model.h"
#include "sluice/status.h"
#include "train/job_config.h"

namespace sluice::cli {

// Throws std::invalid_argument where `output` is a file that the command reads, under the same name
// or another one (links): it would be lost. Paths of what is not there are passed over.
void require_apart(const core::OutputFile& output, const std::vector<std::string>& inputs);

// The job with "/dev/stdout" where an output is "-".
train::JobConfig with_standard_output(train::JobConfig config);

// A file of lines that can be read while the job goes on.
class LineFile {
 public:
  // Empties the file, unless it is written to in place. Throws std::invalid_argument.
  explicit LineFile(core::OutputFile& file);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;
  void write(const std::string& line);
  // UNAVAILABLE when not every line could be written.
  Status close();

 private:
  const std::string path_;
  int fd_ = -1;
  int error_ = 0;
};

// What a job has of --save, --report, --history and --port-file. Where each leads is found out
// once.
class Outputs {
 public:
  // Throws train::InvalidField for one that cannot be written, has the name of a format that Sluice
  // does not write, is another one's, or is one of `inputs`.
  Outputs(const train::JobConfig& config, const std::vector<std::string>& inputs);
  // The following three, too: for what is known later, and right before the job begins, since a
  // pipe's reader is waited for.
  void check_apart_from(const std::vector<std::string>& inputs) const;
  void check_room_for(const Model& model);
  void open();

  // Whether standard output is the model's, the report's or the history's, and nobody else's.
  bool take_standard_output() const;

  // Each only where it is asked for, and once. Statuses as core::OutputFile::write().
  Status save(const Model& model);
  Status write_report(const show::JobReport& report);
  std::unique_ptr<LineFile> open_history();  // null: not asked for

 private:
  void add(const char* field, const std::string& path);
  core::OutputFile* find(const char* field);  // null: not asked for
  // All files, by their options' names.
  std::vector<std::pair<std::string, const core::OutputFile*>> files() const;

  std::optional<formats::ModelOutput> save_;
  std::vector<std::pair<std::string, core::OutputFile>> files_;  // all others
};

// The files that a dataset was read from.
std::vector<std::string> files_of(const TrainTest& data);

}  // namespace sluice::cli
