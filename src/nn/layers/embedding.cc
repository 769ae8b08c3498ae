#include "sluice/layers/embedding.h"

#include <fmt/core.h>

#include <stdexcept>

#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "nn/initializers.h"
#include "nn/weight_rules.h"

namespace sluice {

Embedding::Embedding(const EmbeddingOptions& options) : Layer(options.name), options_(options) {
  nn::require_size({"Embedding", "input_dim"}, options_.input_dim);
  nn::require_size({"Embedding", "output_dim"}, options_.output_dim);
  if (options_.input_dim > backend::EmbeddingOp::kMostRows) {
    throw std::invalid_argument(fmt::format("Embedding: input_dim = {}: must be at most {}",
                                            options_.input_dim, backend::EmbeddingOp::kMostRows));
  }
  options_.embeddings_initializer = nn::parse_initializer({"Embedding", "embeddings_initializer"},
                                                          options_.embeddings_initializer);
  const auto parse_with = [](auto parse, const char* argument, std::string& text) {
    text = parse({"Embedding", argument}, text);
  };
  parse_with(nn::parse_regularizer, "embeddings_regularizer", options_.embeddings_regularizer);
  parse_with(nn::parse_constraint, "embeddings_constraint", options_.embeddings_constraint);
  parse_with(nn::parse_activity_regularizer, "activity_regularizer", options_.activity_regularizer);
}

std::unique_ptr<Layer> Embedding::from_config(const Config& config) {
  nn::require_keys(config, {"input_dim", "output_dim"});
  if (config.get_bool("mask_zero", false)) {
    throw std::invalid_argument(
        "mask_zero = true: Sluice has no masks; where padding must not count, leave it out of the "
        "data or weigh it with 0");
  }
  EmbeddingOptions options;
  options.input_dim = config.get_int("input_dim", 0);
  options.output_dim = config.get_int("output_dim", 0);
  options.embeddings_initializer =
      nn::get_initializer(config, "embeddings_initializer", options.embeddings_initializer);
  const auto read = [&config](const char* key, std::string& text) {
    text = config.get_string(key, text);
  };
  read("embeddings_regularizer", options.embeddings_regularizer);
  read("embeddings_constraint", options.embeddings_constraint);
  read("activity_regularizer", options.activity_regularizer);
  return std::make_unique<Embedding>(options);
}

Config Embedding::config() const {
  return Config()
      .set("input_dim", options_.input_dim)
      .set("output_dim", options_.output_dim)
      .set("embeddings_initializer", nn::to_value(options_.embeddings_initializer))
      .set("embeddings_regularizer", nn::or_null(options_.embeddings_regularizer))
      .set("activity_regularizer", nn::or_null(options_.activity_regularizer))
      .set("embeddings_constraint", nn::or_null(options_.embeddings_constraint))
      .set("mask_zero", false);
}

Shape Embedding::output_shape(const Shape& input) const {
  std::vector<int64_t> sizes = input.dims();
  sizes.push_back(options_.output_dim);
  Shape output(sizes);
  nn::require_countable(*this, "output", output);
  return output;
}

std::vector<WeightSpec> Embedding::weights(const Shape&) const {
  return {{.name = "embeddings",
           .shape = {options_.input_dim, options_.output_dim},
           .initializer = options_.embeddings_initializer,
           .regularizer = options_.embeddings_regularizer,
           .constraint = options_.embeddings_constraint}};
}

void Embedding::lower(nn::GraphBuilder& builder) const {
  builder.append(backend::EmbeddingOp{builder.parameter("embeddings"), options_.input_dim},
                 output_shape(builder.shape()));
  if (options_.activity_regularizer.empty()) return;
  builder.add_activity_penalty(nn::activity_penalty(options_.activity_regularizer));
}

}  // namespace sluice
