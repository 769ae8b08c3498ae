// Keras' own training step beside ours.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::bench {

// Seconds of a step, as keras_step.py measures them with this Python interpreter. Throws
// std::runtime_error where that fails.
double keras_step(const std::string& python, const std::string& model, int64_t batch, int threads,
                  const std::string& policy);

}  // namespace sluice::bench
