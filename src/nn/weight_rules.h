// Regularizers and constraints: Keras' classes, as texts in layers' options and as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "backend/graph.h"
#include "nn/arguments.h"
#include "sluice/layer.h"

namespace sluice::nn {

// The text of sluice/regularizers.h or constraints.h, with all arguments, for such a text in any of
// Keras' spellings; empty for an empty one. Throws std::invalid_argument.
std::string parse_regularizer(const Argument& argument, const std::string& text);
std::string parse_constraint(const Argument& argument, const std::string& text);
// Of what is no matrix: L1, L2 or L1L2.
std::string parse_activity_regularizer(const Argument& argument, const std::string& text);

// Such a text from one, or from Keras' object, {"class_name": "L2", "config": {"l2": 0.01}}. Throws
// std::invalid_argument for what Sluice does not have.
std::string read_weight_rule(const nlohmann::ordered_json& json);
// The reverse, of a text with all arguments.
nlohmann::ordered_json write_weight_rule(const std::string& text);

// Such a text as a layer's setting: null for an empty one.
ConfigValue or_null(const std::string& text);

// What an activity regularizer, a text with all arguments, is for the backends; no value yet.
backend::ActivityPenalty activity_penalty(const std::string& text);

// What the weight's regularizer and constraint are for the backends; no slice yet. Throws
// std::invalid_argument, saying `who`, where its shape does not have the axes.
backend::WeightRule weight_rule(const std::string& who, const WeightSpec& weight);

}  // namespace sluice::nn
