#include "tests/fuzz/targets.h"

#include <cstdio>
#include <cstdlib>

namespace sluice::fuzz {

std::span<const Target> targets() {
  static constexpr Target kTargets[] = {
      {"model", "a model's JSON, of Keras 2 and 3", run_model},
      {"texts", "optimizers, losses, metrics, as texts and as JSON; a job's status", run_texts},
      {"checkpoint", "the file that save_weights() writes", run_checkpoint},
      {"onnx", "an ONNX file", run_onnx},
      {"csv", "a CSV file, plain or gzip", run_csv},
      {"idx", "a pair of IDX files, plain or gzip", run_idx},
      {"hdf5", "an HDF5 file", run_hdf5},
      {"zip", "a zip archive", run_zip},
      {"keras_file", "Keras' .keras, .h5 and .weights.h5", run_keras_file},
      {"inputs", ".npy, IDX, CSV, JPEG, PNG and lines that a model is used on", run_inputs},
      {"update", "a push's compressed values, and values to be compressed", run_update},
      {"weights", "a file of sample weights, text or .npy", run_weights},
  };
  return kTargets;
}

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace sluice::fuzz
