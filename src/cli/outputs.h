// Files that a job writes at its end, looked at before it begins.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "sluice/dataset.h"
#include "sluice/status.h"
#include "train/job_config.h"

namespace sluice::cli {

// The job with "/dev/stdout" where an output is "-".
train::JobConfig with_standard_output(train::JobConfig config);

// Whether standard output is the model's, the report's or the history's, and nobody else's.
bool takes_standard_output(const train::JobConfig& config);

// Throws train::InvalidField for --save, --report, --history or --port-file when the file cannot be
// written, has the name of a format that Sluice does not write, is another one's, or is one of
// `inputs`.
void check_outputs(const train::JobConfig& config, const std::vector<std::string>& inputs);

// A file of lines that can be read while the job goes on.
class LineFile {
 public:
  // Empties the file, unless it is standard output. Throws std::invalid_argument.
  explicit LineFile(const std::string& path);
  void write(const std::string& line);
  // UNAVAILABLE when not every line could be written.
  Status close();

 private:
  struct Close {
    void operator()(std::FILE* file) const {
      if (file != stdout) std::fclose(file);
    }
  };
  const std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  int error_ = 0;
};

// The files that a dataset was read from.
std::vector<std::string> files_of(const TrainTest& data);

}  // namespace sluice::cli
