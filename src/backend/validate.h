// What every backend refuses, in the same words.
#pragma once

#include <cstdint>
#include <span>

#include "backend/graph.h"
#include "backend/replica.h"

namespace sluice::backend {

// Throws ShapeError when the shapes of the ops do not fit each other, std::invalid_argument for
// other mistakes, naming the op.
void validate(const Graph& graph);

// Throws std::invalid_argument for fewer than one sample or thread.
void validate(const ReplicaOptions& options);

// Throws std::invalid_argument, naming the op, when one op's outputs of a batch alone are larger
// than this machine's memory. For backends that keep them there.
void check_memory(const Graph& graph, int64_t batch_size);

// Throws std::invalid_argument unless 1 <= n <= batch_size and x holds n inputs.
void check_batch(const Graph& graph, int64_t batch_size, int64_t n, size_t x);

// Throws std::invalid_argument unless `y`, of `name`, holds n x per_sample floats.
void check_size(const char* name, size_t size, int64_t n, int64_t per_sample);

// Throws std::invalid_argument unless the batch has a target, of a class that the model has, for
// each sample.
void check_targets(const Graph& graph, const Batch& batch);

// Throws std::invalid_argument for a class number outside [0, classes), or other than 0 and 1 where
// there is one output, a probability.
int64_t class_number(float label, int64_t classes);

}  // namespace sluice::backend
