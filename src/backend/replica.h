// A model compiled for one device: the thing that trains.
//
// Compiling makes every activation, workspace and primitive; a training step allocates nothing once
// each batch size has been seen, of which the dozen that was used last is kept. A replica is used
// by one thread at a time.
//
// The same steps with the same number of threads give the same parameters, bit for bit.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "backend/graph.h"
#include "core/aligned_buffer.h"
#include "optim/norm_clip.h"
#include "optim/optimizer.h"
#include "optim/parameter_ranges.h"
#include "sluice/optimizers.h"
#include "sluice/status.h"

namespace sluice::backend {

// In what numbers a replica computes. Parameters, their gradients, the loss and the optimizer are
// float32 in each.
enum class Precision {
  kFloat32,        // "float32"
  kTf32,           // "tf32": factors of 10 bits on GPUs that have it; elsewhere as float32
  kMixedBfloat16,  // "mixed_bfloat16", as Keras' dtype policy: convolutions, dense layers and
                   // poolings take and give bfloat16 and add up in float32
};

// By Keras' name; throws std::invalid_argument for one it does not know.
Precision parse_precision(const std::string& name);

// What a replica is compiled for. One for inference has no gradients, and memory only for what is
// alive at the same time.
enum class Purpose { kTraining, kInference };

struct ReplicaOptions {
  Purpose purpose = Purpose::kTraining;
  int64_t batch_size = 32;  // the largest batch that will come
  int threads = 1;          // threads that one step may use
  Precision precision = Precision::kFloat32;
  // Only algorithms that give the same bits in every run. On the CPU all do.
  bool deterministic = false;
  // Applied to the parameters at the end of every step; none: the gradients are left for the caller
  // and the parameters do not change.
  std::optional<OptimizerSpec> optimizer{};
  // Parameters that its weight decay leaves out, whole ones, in order and apart.
  std::vector<ParameterRange> undecayed{};
  // Without an optimizer: clips the gradients that start_update() writes.
  optim::NormClip update_clip{};
};

// N samples, row-major: of a graph with several inputs and outputs, each row has what they take one
// after another.
struct Batch {
  int64_t size = 0;          // N
  std::span<const float> x;  // [N, input_size]
  std::span<const float> y;  // [N, target_size]
};

// Sums over a batch, so that any number of batches can be added up.
struct StepMetrics {
  int64_t samples = 0;
  // The weighted sum of the outputs' losses, with the samples' weights, times the samples.
  double loss_sum = 0;
  // Of each output in turn: the sum of its own loss, unless it is the only one, and its metrics'
  // counters (backend/metrics.h); Graph::counters() in all, or none where there are no samples.
  std::vector<double> counters{};

  StepMetrics& operator+=(const StepMetrics& other) {
    samples += other.samples;
    loss_sum += other.loss_sum;
    if (counters.size() < other.counters.size()) counters.resize(other.counters.size());
    for (size_t i = 0; i < other.counters.size(); ++i) counters[i] += other.counters[i];
    return *this;
  }
};

// Where a batch is put together: [batch_size, input_size] and [batch_size, target_size].
struct BatchBuffers {
  std::span<float> x;
  std::span<float> y;
};

// What adopt() makes of a centre.
enum class OwnUpdate {
  kIncluded,  // the centre, which contains the replica's own last update
  kMissing,   // the centre plus that update
  // For what is trained: parameters + rate (centre - parameters); the rest as kMissing.
  kElastic,
};

// What a window's update is.
struct UpdateSpec {
  float trained = 1;     // of what the optimizer steps: its change is multiplied by this
  float state = 1;       // of ParameterRole::kState, and of what is frozen: likewise
  bool weights = false;  // of what is trained the parameters themselves, instead of their change
};

// Training and exchanging only start the work: a GPU may still be at it when a call returns, and
// says what went wrong in the next call that waits.
class Replica {
 public:
  virtual ~Replica() = default;

  virtual const Graph& graph() const = 0;

  // --- Training; std::logic_error from a replica for inference ---

  // Memory for the next batch, from which the device takes it without a copy in between. Valid
  // until the next step.
  virtual BatchBuffers batch_buffers() = 0;
  // Forward in training mode, loss, backward, and the optimizer's step when there is one. Throws
  // std::invalid_argument for a batch that does not fit, or a class number that the model does not
  // have, before anything changes. What a HostOp throws comes out here or in the next call that
  // waits, and may leave some parameters stepped and others not.
  virtual void start_step(const Batch& batch) = 0;
  // Waits for the steps since the last call and sums their metrics up; each is of the parameters
  // before its step.
  virtual StepMetrics take_metrics() = 0;
  StepMetrics train_step(const Batch& batch) {
    start_step(batch);
    return take_metrics();
  }
  // Of the last step, for benchmarks: kernels, copies and calls of the host that a device was given
  // for it. 0: not known.
  virtual size_t launches_per_step() const { return 0; }

  // --- Inference; each waits for its result ---

  // Forward in inference mode and the loss.
  virtual StepMetrics evaluate(const Batch& batch) = 0;
  // Forward in inference mode; `y` is [n, output_size], probabilities where an output is softmax or
  // sigmoid.
  virtual void predict(int64_t n, std::span<const float> x, std::span<float> y) = 0;

  // --- Parameters ---

  // All parameters, contiguous, in Keras' layout. Valid to read until the next step or adopt();
  // whoever writes to it calls parameters_changed() before that.
  virtual std::span<float> parameters() = 0;
  virtual void parameters_changed() = 0;
  // Gradients of the mean loss of the last step, same layout; zero for parameters that no op uses.
  // Throws std::logic_error for a replica with an optimizer, which has used them up.
  virtual std::span<const float> gradients() = 0;
  // How far the optimizer has come, and where it goes on from: before the first step. Also what is
  // drawn in training goes on from that step. Throw std::logic_error where there is none,
  // restore_optimizer() std::invalid_argument for a state of another.
  virtual optim::OptimizerState optimizer_state() {
    throw std::logic_error("no optimizer's state is here");
  }
  virtual void restore_optimizer(const optim::OptimizerState& state) {
    (void)state;
    throw std::logic_error("no optimizer's state is here");
  }
  // From the next step on, instead of the optimizer's own. Throw std::logic_error where there is no
  // optimizer, std::invalid_argument for a rate that is negative or no number.
  virtual void set_learning_rate(float /*rate*/) {
    throw std::logic_error("no optimizer's learning rate is here");
  }
  // The training is over: trained parameters become their averages, where the optimizer keeps them
  // (use_ema) and has stepped.
  virtual void adopt_averages() {}

  // --- Windows: what a worker exchanges with the servers, computed where the parameters are; for
  // training only ---

  // As large as the parameters; fast to copy to and from the device. Over `memory` of that size,
  // which shares no page with anything else, where it is given.
  virtual std::shared_ptr<core::AlignedBuffer> make_exchange_buffer(
      std::unique_ptr<core::AlignedBuffer> memory) = 0;
  std::shared_ptr<core::AlignedBuffer> make_exchange_buffer() {
    return make_exchange_buffer(nullptr);
  }
  // A window begins: its anchor is the parameters as they are, its gradients sum up from zero.
  virtual void begin_window() = 0;
  // Starts to write what the window's steps have come to, scaled: parameters - anchor, or the
  // parameters; without an optimizer, where something is trained, the sum of its gradients,
  // clipped.
  virtual void start_update(const UpdateSpec& spec, std::span<float> update) = 0;
  // Whether finish_update() would return without waiting.
  virtual bool update_ready() = 0;
  // Waits until the update is there and no centre given to adopt() is being read any more. Returns
  // and throws as take_metrics() would have when the update was started; nothing a second time.
  virtual StepMetrics finish_update() = 0;
  // Sets the parameters to what `own` makes of `centre` and the last update that was started, and
  // begins a window. Reads `centre` until that window's finish_update() has returned, or another
  // window begins. `rate`: of kElastic.
  virtual void adopt(std::span<const float> centre, OwnUpdate own, float rate) = 0;
  void adopt(std::span<const float> centre, OwnUpdate own) { adopt(centre, own, 0); }
};

// A kind of device. Safe to use from several threads.
//
// With more than one thread to a replica, and other work on the same cores, start the process with
// OMP_WAIT_POLICY=passive (or GOMP_SPINCOUNT=0): threads that wait by spinning keep others out.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;  // "cpu (oneDNN 2.6.3, AVX-512)", "cuda:0 (NVIDIA H200)"
  // INVALID_ARGUMENT where the device cannot compute in it, saying what it lacks.
  virtual Status check(Precision precision) const = 0;
  // Throws std::invalid_argument for a graph or options that this backend cannot take.
  virtual std::unique_ptr<Replica> compile(const Graph& graph, const ReplicaOptions& options) = 0;
};

struct DeviceOptions {
  // "cpu"; "cuda:N", a GPU; "cuda", any GPU; "auto", a GPU where there is one, else the CPU.
  std::string name = "auto";
  // "cuda" and "auto" take GPU number slot modulo the host's GPUs, so that processes with slots
  // 0, 1, ... spread over them.
  int slot = 0;
  std::string gpu{};             // a UUID: they take this one instead, where it can be used
  int64_t gpu_memory_bytes = 0;  // the most that all replicas take together; 0: no bound
};

// INVALID_ARGUMENT for a name that is none of these, on any host.
Status check_device_name(const std::string& name);

// INVALID_ARGUMENT as check_device_name(); NOT_FOUND, saying what is missing, for a GPU that cannot
// be used. Takes nothing of a GPU before the first replica is compiled.
Result<std::shared_ptr<Backend>> open_backend(const DeviceOptions& options);

}  // namespace sluice::backend
