// EAMSGD, elastic averaging with Nesterov's momentum: see elastic.h.
//
//   worker   each step   v = m v - rate grad(x + m v),   x = x + v
//
// This is SGD with nesterov=True, as Keras has it, whose parameters are the look-ahead point
// theta = x + m v; the elastic force acts on these. So the job's optimizer must be plain SGD, whose
// learning rate it takes. Dist-Keras' EAMSGD looks the wrong way (x - m v), and multiplies the rate
// twice. Dist-Keras: distkeras.trainers.EAMSGD.
#include <stdexcept>

#include "algorithm/elastic.h"

namespace sluice::algorithm {
namespace {

constexpr OptionSpec kOptions[] = {
    window_option(32), moving_rate_option(),
    OptionSpec{"momentum", 0.9, "of the workers' steps", check_decay}};

OptimizerSpec worker_optimizer(const Options& options, OptimizerSpec optimizer) {
  const auto& given = optimizer.hyperparameters;
  if (optimizer.name != "sgd" || given.at("momentum") != 0 || given.at("nesterov") != 0) {
    throw std::invalid_argument(
        "eamsgd is SGD with a momentum of its own: use --optimizer sgd, without momentum");
  }
  const double momentum = options.real("momentum");
  optimizer.hyperparameters["momentum"] = static_cast<float>(momentum);
  optimizer.hyperparameters["nesterov"] = momentum > 0 ? 1.0f : 0.0f;
  return optimizer;
}

}  // namespace

extern constinit const Algorithm kEamsgd{
    .name = "eamsgd",
    .summary = "elastic averaging, workers step with Nesterov's momentum",
    .options = kOptions,
    .answers_with_old = true,
    .optimizer = "sgd",
    .worker_optimizer = worker_optimizer,
    .worker = make_elastic_worker,
    .server = make_elastic_rule,
};

}  // namespace sluice::algorithm
