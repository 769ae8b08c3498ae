#include "cli/outputs.h"

#include <filesystem>
#include <utility>

#include "core/atomic_file.h"
#include "data/records.h"
#include "nn/checkpoint.h"

namespace sluice::cli {
namespace {

namespace fs = std::filesystem;

// Also under another name; devices and pipes are nobody's own.
bool are_one_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  if (fs::exists(a, ignored)) {
    return fs::is_regular_file(a, ignored) && fs::equivalent(a, b, ignored);
  }
  return !fs::exists(b, ignored) &&
         fs::weakly_canonical(a, ignored) == fs::weakly_canonical(b, ignored);
}

}  // namespace

void check_outputs(const train::JobConfig& config, const std::vector<std::string>& inputs) {
  for (const auto& [field, path] : {std::pair("save", config.save), {"report", config.report}}) {
    if (path.empty()) continue;
    for (const std::string& input : inputs) {
      std::error_code ignored;
      if (fs::exists(input, ignored) && are_one_file(path, input)) {
        throw train::InvalidField(field, path + " is read by this job; choose another file");
      }
    }
    const Status writable = core::can_replace_file(path);
    if (!writable.ok()) throw train::InvalidField(field, writable.message());
  }
  if (config.save.empty()) return;
  const Status named = nn::check_checkpoint_name(config.save);
  if (!named.ok()) throw train::InvalidField("save", named.message());
  if (!config.report.empty() && are_one_file(config.save, config.report)) {
    throw train::InvalidField("report", "expected another file than --save, got " + config.report);
  }
}

std::vector<std::string> files_of(const TrainTest& data) {
  std::vector<std::string> files = data.train.records()->info().source.files;
  const auto& more = data.test.records()->info().source.files;
  files.insert(files.end(), more.begin(), more.end());
  return files;
}

}  // namespace sluice::cli
