#include "sluice/layers/repeat_vector.h"

#include "nn/arguments.h"
#include "nn/graph_builder.h"

namespace sluice {

RepeatVector::RepeatVector(const RepeatVectorOptions& options)
    : Layer(options.name), n_(options.n) {
  nn::require_size({"RepeatVector", "n"}, n_);
}

std::unique_ptr<Layer> RepeatVector::from_config(const Config& config) {
  nn::require_keys(config, {"n"});
  return std::make_unique<RepeatVector>(RepeatVectorOptions{.n = config.get_int("n", 0)});
}

Shape RepeatVector::output_shape(const Shape& input) const {
  nn::require_rank(*this, 1, input);
  Shape output{n_, input[0]};
  nn::require_countable(*this, "output", output);
  return output;
}

void RepeatVector::lower(nn::GraphBuilder& builder) const {
  const int64_t features = builder.shape()[0];
  builder.append(backend::ReshapeOp{}, {1, features});
  builder.append(backend::RearrangeOp{{{.from = 0, .repeat = n_}, {.from = 1}}}, {n_, features});
}

}  // namespace sluice
