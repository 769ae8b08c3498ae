#include "tests/bench/keras_step.h"

#include <cstdio>
#include <stdexcept>

namespace sluice::bench {

double keras_step(const std::string& python, const std::string& model, int64_t batch, int threads,
                  const std::string& policy) {
  const std::string command = python + " " + SLUICE_SOURCE_DIR + "/tests/bench/keras_step.py " +
                              model + " " + std::to_string(batch) + " " + std::to_string(threads) +
                              " " + policy + " 2>/dev/null";
  FILE* output = popen(command.c_str(), "r");
  double seconds = 0;
  const bool read = output != nullptr && std::fscanf(output, "%lf", &seconds) == 1;
  if (output == nullptr || pclose(output) != 0 || !read) {
    throw std::runtime_error("cannot measure Keras: \"" + command + "\" failed");
  }
  return seconds;
}

}  // namespace sluice::bench
