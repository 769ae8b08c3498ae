// Checks of graphs, options and arguments that every backend makes, so that all refuse the same
// mistakes in the same words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "backend/graph.h"
#include "backend/replica.h"

namespace sluice::backend {

// Returns the graph. Throws ShapeError when the shapes of the ops do not fit each other,
// std::invalid_argument for other mistakes, naming the op.
const Graph& validate(const Graph& graph);

// Throws ShapeError where a loss cannot be of an output of this shape, whatever its targets are:
// Circle's are of rank 1, and an axis to sum over must be there.
void check_loss_fits(const LossSpec& loss, const Shape& output);

// Returns the options. Throws std::invalid_argument for fewer than one sample or thread.
const ReplicaOptions& validate(const ReplicaOptions& options);

// Throws std::invalid_argument, naming the op, when the outputs of one op for one batch are larger
// than the memory that this process may have. For backends that keep activations in it.
void check_memory(const Graph& graph, int64_t batch_size);

// What Replica::start_step() and evaluate() are given: throws std::invalid_argument unless it is 1
// to batch_size samples, each with its input and a target, of a class that the model has; and
// numbers that an embedding in front has rows for.
void check_batch(const Graph& graph, int64_t batch_size, const Batch& batch);

// What Replica::predict() is given: throws std::invalid_argument unless 1 <= n <= batch_size, x
// holds n inputs, as above, and y has room for n outputs.
void check_prediction(const Graph& graph, int64_t batch_size, int64_t n, std::span<const float> x,
                      size_t y);

// Throws std::invalid_argument unless what is exchanged, an "update" or a "centre", is as large as
// the model's parameters.
void check_exchange(const Graph& graph, const char* what, size_t size);

// Throws std::logic_error for a replica that was compiled for inference.
void check_trains(const ReplicaOptions& options);

// Throws std::logic_error for a replica with an optimizer: a step uses its gradients up.
void check_keeps_gradients(const ReplicaOptions& options);
void check_has_optimizer(const ReplicaOptions& options);

// Throws std::invalid_argument for a class number outside [0, classes), or other than 0 and 1 where
// there is one output, a probability.
int64_t class_number(float label, int64_t classes);

}  // namespace sluice::backend
