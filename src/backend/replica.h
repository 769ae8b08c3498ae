// A model compiled for one device: the thing that trains.
//
// Compiling makes every activation, workspace and primitive; a training step allocates nothing once
// each batch size has been seen. A replica is used by one thread at a time.
//
// The same steps with the same number of threads give the same parameters, bit for bit.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "backend/graph.h"
#include "sluice/optimizers.h"
#include "sluice/status.h"

namespace sluice::backend {

// In what numbers a replica computes. Parameters, their gradients, the loss and the optimizer are
// float32 in each.
enum class Precision {
  kFloat32,        // "float32"
  kMixedBfloat16,  // "mixed_bfloat16", as Keras' dtype policy: convolutions, dense layers and
                   // poolings take and give bfloat16 and add up in float32
};

// By Keras' name; throws std::invalid_argument for one it does not know.
Precision parse_precision(const std::string& name);

struct ReplicaOptions {
  int64_t batch_size = 32;  // the largest batch that will come
  int threads = 1;          // threads that one step may use
  Precision precision = Precision::kFloat32;
  // Applied to the parameters at the end of every train_step; none: the gradients are left for the
  // caller and the parameters do not change.
  std::optional<OptimizerSpec> optimizer{};
};

// N samples, row-major.
struct Batch {
  int64_t size = 0;          // N
  std::span<const float> x;  // [N, input...]
  std::span<const float> y;  // [N, target_size]
};

// Sums over a batch, so that any number of batches can be added up.
struct StepMetrics {
  int64_t samples = 0;
  double loss_sum = 0;  // loss of the batch times its samples
  int64_t correct = 0;  // samples whose first largest output is the target's class

  StepMetrics& operator+=(const StepMetrics& other) {
    samples += other.samples;
    loss_sum += other.loss_sum;
    correct += other.correct;
    return *this;
  }
};

class Replica {
 public:
  virtual ~Replica() = default;

  virtual const Graph& graph() const = 0;

  // Forward in training mode, loss, backward, and the optimizer's step when there is one.
  // The metrics are of the parameters before the step. Throws std::invalid_argument for a batch
  // that does not fit, or a class number that the model does not have, before anything changes;
  // what a HostOp throws may leave some parameters stepped and others not.
  virtual StepMetrics train_step(const Batch& batch) = 0;
  // Forward in inference mode and the loss.
  virtual StepMetrics evaluate(const Batch& batch) = 0;
  // Forward in inference mode; `y` is [n, output...], probabilities where the last op is softmax.
  virtual void predict(int64_t n, std::span<const float> x, std::span<float> y) = 0;

  // All parameters, contiguous, in Keras' layout: what is pushed and pulled. Valid to read until
  // the next train_step; whoever writes to it calls parameters_changed() before the next step.
  virtual std::span<float> parameters() = 0;
  virtual void parameters_changed() = 0;
  // Gradients of the mean loss of the last train_step, same layout; zero for parameters that no op
  // uses. Throws std::logic_error for a replica with an optimizer, which has used them up.
  virtual std::span<const float> gradients() = 0;
};

// A kind of device. Safe to use from several threads.
//
// With more than one thread to a replica, and other work on the same cores, start the process with
// OMP_WAIT_POLICY=passive (or GOMP_SPINCOUNT=0): threads that wait by spinning keep others out.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;  // "cpu (oneDNN 2.6.3, AVX-512)"
  // INVALID_ARGUMENT where the device cannot compute in it, saying what it lacks.
  virtual Status check(Precision precision) const = 0;
  // Throws std::invalid_argument for a graph or options that this backend cannot take.
  virtual std::unique_ptr<Replica> compile(const Graph& graph, const ReplicaOptions& options) = 0;
};

// "auto" or "cpu". NOT_FOUND, saying what to use instead, for any other name.
Result<std::shared_ptr<Backend>> open_backend(const std::string& device);

}  // namespace sluice::backend
