#include "train/validate.h"

#include <fmt/core.h>

#include <string>

#include "train/job_config.h"

namespace sluice::train {
namespace {

void require(const char* field, const std::string& wrong) {
  if (!wrong.empty()) throw InvalidField(field, wrong);
}

// What all of them have.
template <typename Options>
void validate_shared(const Options& options) {
  require("batch_size", at_least<1>(options.batch_size, "1 sample"));
  require("threads", check_threads(options.threads));
  require("device", check_device(options.device));
  require("gpu_memory_mib", check_gpu_memory(options.gpu_memory_mib));
}

}  // namespace

void validate(const FitOptions& options) {
  validate_shared(options);
  require("epochs", at_least<1>(options.epochs, "1 epoch"));
  if (options.loss) require("loss", check_loss(*options.loss));
  require("class_weight", check_class_weight(options.class_weight));
  require("validation_split", check_fraction(options.validation_split));
  require("verbose", check_verbose(options.verbose));
  require("precision", check_precision(options.precision));
}

void validate(const EvaluateOptions& options) {
  validate_shared(options);
  if (options.loss) require("loss", check_loss(*options.loss));
}

void validate(const PredictOptions& options) { validate_shared(options); }

void validate(const TrainerOptions& options) {
  require("gpu_memory_mib", check_gpu_memory(options.gpu_memory_mib));
}

std::pair<Dataset, Dataset> split_for_validation(const Dataset& dataset, double fraction) {
  try {
    return dataset.split(fraction);
  } catch (const std::invalid_argument&) {
    throw InvalidField("validation_split",
                       fmt::format("{} of {} records leaves none for one of the two parts",
                                   fraction, dataset.size()));
  }
}

}  // namespace sluice::train
