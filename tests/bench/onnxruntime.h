// onnxruntime's own predictions beside ours.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace sluice::bench {

// A child process that runs run_onnxruntime.py with a model of ours as long as this lives. All
// throw std::runtime_error where it fails.
class OnnxRuntime {
 public:
  OnnxRuntime(const std::string& python, const std::string& model, int64_t batch, int threads);
  OnnxRuntime(const OnnxRuntime&) = delete;
  OnnxRuntime& operator=(const OnnxRuntime&) = delete;
  ~OnnxRuntime();

  // Of one call: the median of pieces of so many seconds, of which there are `at_least` in all.
  double seconds_per_call(double piece, double at_least);
  const std::string& version() const { return version_; }

 private:
  explicit OnnxRuntime(std::vector<std::string> command);
  std::string read_line();

  pid_t child_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
  std::string version_;
};

}  // namespace sluice::bench
