// What there is to know about a loss beside its formula.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sluice/losses.h"

namespace sluice::loss {

// The activation whose inputs a loss can take instead of its outputs.
enum class Link { kNone, kSoftmax, kSigmoid };

// What a record's class number c becomes as the target of K outputs.
enum class ClassTarget {
  kNumber,       // c
  kOneHot,       // y [K]: 1 at c, 0 elsewhere
  kNumberOfOne,  // c where K is 1, otherwise one-hot
};

// What is compared, where nothing else says it: a table's column may be classes or numbers.
// Embeddings are places in a space, in which those of a class are to be near each other.
enum class Predicts { kClasses, kNumbers, kEmbeddings };

struct Traits {
  Link link;
  ClassTarget class_target;
  Predicts predicts;
  bool of_probabilities = false;  // the outputs, although there is no link
};

Traits traits_of(const LossSpec& spec);

// Whether the outputs are the link's inputs.
bool takes_logits(const LossSpec& spec);
// The same loss of the link's inputs. Losses without a link are as they were.
LossSpec of_logits(const LossSpec& spec);

// As it is usually called: "mse", "categorical_crossentropy".
std::string short_name(const LossSpec& spec);

// Throws std::invalid_argument, naming loss and field, for a value that is out of range.
void validate(const LossSpec& spec);

// All of them, as they are usually called, in the table's order.
std::vector<std::string_view> names();

// Whether LossSpec takes the name.
bool is_loss(std::string_view name);

// What a name that is none is answered with: `loss "lamb": use "categorical_crossentropy", ...`.
std::string unknown_loss(std::string_view name);

}  // namespace sluice::loss
