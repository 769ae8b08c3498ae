// Functions that launch our own kernels; the file that each is in has the details. All pointers are
// device memory. Calls only put work on the stream. `void*` points to elements of `type`, which are
// computed with in float32.
//
// Letters: N batch, H W spatial, C channels, K classes, P parameters.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <span>
#include <vector>

#include "backend/batch_losses.h"
#include "backend/graph.h"
#include "backend/interpolation.h"
#include "backend/metrics.h"
#include "backend/noise.h"
#include "backend/normalization.h"
#include "backend/ops.h"
#include "backend/rearrangement.h"
#include "backend/type.h"
#include "optim/norm_clip.h"
#include "optim/rules.h"
#include "sluice/losses.h"

namespace sluice::backend::cuda {

// elementwise.cu
// y = f(x), f the activation, never softmax; y may be x.
void activate(const Activation& activation, Type type, int64_t size, const void* x, void* y,
              cudaStream_t stream);
// y = f(y + bias), y [rows, columns], bias [columns].
void add_bias_and_activate(const Activation& activation, Type type, int64_t rows, int64_t columns,
                           const void* bias, void* y, cudaStream_t stream);
// dx = dy f'(x), from y = f(x); dx may be dy.
void differentiate(const Activation& activation, Type type, int64_t size, const void* y,
                   const void* dy, void* dx, cudaStream_t stream);
// The same from x, of an f that is not is_differentiable_from_output().
void differentiate_from_input(const Activation& activation, Type type, int64_t size, const void* x,
                              const void* dy, void* dx, cudaStream_t stream);
// to = from, rounded to the nearest, ties to even.
void convert(Type from_type, Type to_type, int64_t size, const void* from, void* to,
             cudaStream_t stream);
// y = a + b; y may be either.
void add(Type type, int64_t size, const void* a, const void* b, void* y, cudaStream_t stream);
// dx = (dx + from) f'(x) from y = f(x).
void add_and_differentiate(const Activation& activation, Type type, int64_t size, const void* y,
                           const void* from, void* dx, cudaStream_t stream);
// Writes x [N, H, W, C] into zeros [N, H + top + bottom, W + left + right, C], and takes it out of
// them again.
void pad_images(Type type, int64_t batch, const Shape& image, const Padding2D& padding,
                const void* x, void* padded, cudaStream_t stream);
void crop_images(Type type, int64_t batch, const Shape& image, const Padding2D& padding,
                 const void* padded, void* x, cudaStream_t stream);

// column_sums.cu
// Memory of differentiate_and_sum().
struct ColumnSumsScratch {
  float* partial = nullptr;      // column_sums_partials(columns) floats
  unsigned* finished = nullptr;  // column_sums_counters(columns) zeros; zeros again afterwards
};
size_t column_sums_partials(int64_t columns);
size_t column_sums_counters(int64_t columns);
// dy = dy f'(x), from y = f(x), and sums[c] = sum over r of dy[r, c]; y and dy [rows, columns].
void differentiate_and_sum(const Activation& activation, Type type, int64_t rows, int64_t columns,
                           const void* y, void* dy, float* sums, const ColumnSumsScratch& scratch,
                           cudaStream_t stream);

// pooling.cu
struct PoolingShape {
  int64_t batch, height, width, channels;  // of x
  int64_t out_height, out_width;
  Pool2DOp op;
};
// y [N, out_height, out_width, C] = the maximum or the mean of each window of x [N, H, W, C].
void pool(const PoolingShape& shape, Type type, const void* x, void* y, cudaStream_t stream);
// dx from dy, multiplied by f'(z) where x = f(z).
void pool_backward(const PoolingShape& shape, Type type, const Activation& activation,
                   const void* x, const void* dy, void* dx, cudaStream_t stream);

// merge.cu
struct MergeInputs {
  const float* x[MergeOp::kMostInputs];
  int count = 0;
};
// y from all inputs, with the activation behind; the gradient of input number `input` from that in
// front of the activation. All [size].
void merge(MergeOp::Kind kind, const Activation& activation, const MergeInputs& inputs,
           int64_t size, float* y, cudaStream_t stream);
void merge_backward(MergeOp::Kind kind, const MergeInputs& inputs, int input, int64_t size,
                    const float* y, const float* dy, float* dx, cudaStream_t stream);

// batch_norm.cu
struct BatchNormShape {
  int64_t rows = 0, channels = 0;
  float epsilon = 0;
  bool relu = false;    // behind it
  bool frozen = false;  // the statistics do not depend on x
};
// All [C]; gamma and beta may be nullptr for 1 and 0.
struct BatchNormParameters {
  float* mean = nullptr;
  float* variance = nullptr;
  const float* gamma = nullptr;
  const float* beta = nullptr;
};
// Floats of memory that the sums over rows take.
size_t batch_norm_partials(const BatchNormShape& shape);
// Mean and variance of the columns of x [rows, C]. The moving ones, unless they are nullptr, become
// momentum moving + (1 - momentum) of these.
void batch_statistics(const BatchNormShape& shape, Type type, const void* x, double momentum,
                      float* partials, float* mean, float* variance, float* moving_mean,
                      float* moving_variance, cudaStream_t stream);
void batch_normalize(const BatchNormShape& shape, Type type, const BatchNormParameters& parameters,
                     const void* x, void* y, cudaStream_t stream);
// Gradients from y's; dgamma, dbeta and dx may be nullptr.
void batch_norm_backward(const BatchNormShape& shape, Type type,
                         const BatchNormParameters& parameters, const void* x, const void* y,
                         const void* dy, float* partials, float* dgamma, float* dbeta, void* dx,
                         cudaStream_t stream);

// normalize.cu
// Floats of memory that what the groups of a batch are normalized with takes, and the sums for the
// weights' gradients.
size_t normalization_statistics(const NormalizationShape& shape, int64_t batch);
size_t normalization_partials(const NormalizationShape& shape, int64_t batch);
// gamma and beta may be nullptr for 1 and 0.
void normalize(const NormalizationShape& shape, int64_t batch, const float* x, const float* gamma,
               const float* beta, float* statistics, float* y, cudaStream_t stream);
// With the statistics that normalize() has written.
void normalize_backward(const NormalizationShape& shape, int64_t batch, const float* x,
                        const float* dy, const float* gamma, const float* statistics, float* dx,
                        cudaStream_t stream);
// dgamma and dbeta may be nullptr.
void normalize_weights_backward(const NormalizationShape& shape, int64_t batch, const float* x,
                                const float* dy, const float* statistics, float* partials,
                                float* dgamma, float* dbeta, cudaStream_t stream);

// rearrange.cu
// y from x; dx from dy, the axes in the order of x.
void rearrange(const Rearrangement& forward, Type type, const void* x, void* y,
               cudaStream_t stream);
void rearrange_backward(const Rearrangement& backward, Type type, const void* dy, void* dx,
                        cudaStream_t stream);

// interpolate.cu
// With interpolation_weights(), on the device.
void interpolate(const Interpolation& shape, const float* weights, const float* x, float* y,
                 cudaStream_t stream);
void interpolate_backward(const Interpolation& shape, const float* weights, const float* dy,
                          float* dx, cudaStream_t stream);

// affine.cu
struct AffineFactors {
  const float *center, *scale, *offset;  // on the device, `columns` each
  int64_t columns;
};
// y = (x - center) scale + offset, dx = dy scale, over rows of `columns`; [size].
void affine(const AffineFactors& factors, int64_t size, const float* x, float* y,
            cudaStream_t stream);
void affine_backward(const AffineFactors& factors, int64_t size, const float* dy, float* dx,
                     cudaStream_t stream);
// numbers [3, columns]: center, scale and offset of a StandardizeOp.
void standardizing_factors(bool invert, int64_t columns, const float* mean, const float* variance,
                           float* numbers, cudaStream_t stream);

// embedding.cu
// y [count, columns] = the rows of table [rows, columns] that x [count] names, and the table's
// gradient, all of it.
void gather_rows(int64_t count, int64_t rows, int64_t columns, const float* x, const float* table,
                 float* y, cudaStream_t stream);
void scatter_rows(int64_t count, int64_t rows, int64_t columns, const float* x, const float* dy,
                  float* dtable, cudaStream_t stream);

// softmax.cu
// y = softmax of each row of x, or, with `log`, its logarithm; dx from dy and y. There are `outer`
// times rows.outer times rows.inner rows (backend/ops.h).
void softmax(bool log, int64_t outer, const SoftmaxRows& rows, const float* x, float* y,
             cudaStream_t stream);
void softmax_backward(bool log, int64_t outer, const SoftmaxRows& rows, const float* y,
                      const float* dy, float* dx, cudaStream_t stream);

// step_state.cu
// What changes from step to step, on the device. In memory the counters of the metrics follow, so
// that the loss and they are one piece.
struct StepState {
  uint64_t step;    // training steps whose loss has been computed
  double loss_sum;  // over the samples since the metrics were last taken
};
static_assert(sizeof(StepState) % sizeof(double) == 0);
// Doubles that a state with so many counters takes.
inline size_t state_size(size_t counters) { return sizeof(StepState) / sizeof(double) + counters; }
inline double* counters_behind(StepState* state) { return reinterpret_cast<double*>(state + 1); }

// What a loss has given for the rows of an output.
struct RowSums {
  int64_t rows;
  const float* losses;      // [rows]
  const int* correct;       // [rows]
  double weight;            // of a row's loss in the state's
  double scale;             // of a row's loss in its own counter
  double* loss_counter;     // or nullptr
  double* correct_counter;  // or nullptr
};
// Adds them to the state, and counts the step.
void count_step(const RowSums& sums, StepState* state, cudaStream_t stream);
// Adds those of another output of the same step.
void add_rows(const RowSums& sums, StepState* state, cudaStream_t stream);

// metrics.cu
// Adds what the rows come to to the metric's counters; not of kAccuracy, which comes with the loss.
// `scratch` is [rows].
void measure(const Metric& metric, const MeasuredRows& rows, float* scratch, double* counters,
             cudaStream_t stream);

// split.cu
// The columns [begin, begin + size) of from [rows, width] to those from to_begin of to
// [rows, to_width].
void take_columns(int64_t rows, int64_t width, int64_t begin, int64_t size, const float* from,
                  int64_t to_width, int64_t to_begin, float* to, cudaStream_t stream);

// noise.cu
enum class Pass { kForward, kBackward };
// to = m from + a, with what the current step draws: a function of seed, step and element, and the
// same in both passes.
void perturb(Pass pass, const Noise& noise, uint64_t seed, const StepState* state,
             const float* from, float* to, cudaStream_t stream);

// loss.cu
struct LossShape {
  Activation activation;  // softmax or sigmoid where it comes here
  int64_t rows;           // one for each position of each sample
  int64_t outputs;
  int64_t positions;
  bool weighted;            // the targets of each sample end in its weight
  float weight;             // of the output: the gradient is of weight times the mean loss
  batch_losses::Kept kept;  // of a loss over the batch
};
// Doubles that the kernels of a loss need for their own use.
size_t loss_scratch(const LossSpec& loss, const LossShape& shape);
// losses [rows], and correct [rows], 1 where a row's target is met (StepMetrics), from z [rows, K]
// and the targets. `gradient` [rows, K], or nullptr.
void compute_loss(const LossSpec& loss, const LossShape& shape, const float* z,
                  const float* targets, float* gradient, float* losses, int* correct,
                  double* scratch, cudaStream_t stream);

// batch_loss.cu
// Likewise for the losses of a whole batch, without `correct`. Every row gets the mean loss, of
// Circle its own.
void compute_batch_loss(const LossSpec& loss, const LossShape& shape, const float* z,
                        const float* targets, float* gradient, float* losses, double* scratch,
                        cudaStream_t stream);
// 0 of other losses.
size_t batch_loss_scratch(const LossSpec& loss, const LossShape& shape);

// optimizer.cu
inline constexpr int64_t kArenaBlock = 128;  // elements: each parameter begins with one
struct OptimizerArena {
  int64_t size = 0;
  float* w = nullptr;
  const float* g = nullptr;
  std::vector<float*> slots;   // the rule's
  float* averages = nullptr;   // nullptr: none are kept
  // Of each kArenaBlock elements, whether weight decay leaves them out; nullptr: none.
  const uint8_t* undecayed = nullptr;
  void* bfloat16_w = nullptr;  // a copy for bfloat16 kernels; or nullptr
};
// One step of the optimizer over the arena, in place. `factors`: on the device.
void optimizer_step(const optim::Rule& rule, const optim::Preparation& preparation,
                    const optim::StepFactors* factors, const OptimizerArena& arena,
                    cudaStream_t stream);

// norm_clip.cu
// A piece of a trained parameter.
struct NormBlock {
  int64_t begin = 0;  // on the device
  int size = 0;
  int parameter = 0;
};
inline constexpr int64_t kNormBlock = 4096;  // floats that a block has at most
// All blocks, in the order of the parameters; on the device.
struct NormBlocks {
  const NormBlock* table = nullptr;   // `count` of them
  const int* first_blocks = nullptr;  // of each parameter, and behind the last: parameters + 1
  double* squares = nullptr;          // memory: count + parameters
  int count = 0, parameters = 0;
};
// Multiplies gradients, on the device, by what `clip` says for them times `factor`.
void clip_by_norm(const NormBlocks& blocks, const optim::NormClip& clip, float factor, float* g,
                  cudaStream_t stream);

// weight_rules.cu
// A WeightRule, by where its parameter lies on the device.
struct DeviceRule {
  int64_t begin = 0, size = 0;
  int64_t filters = 0;  // as in a Segment
  float l1 = 0, l2 = 0;
  bool not_negative = false, has_norm = false;
  NormConstraint norm{};
};
// The memory of an Orthogonality, and where its parameter lies on the device.
struct DeviceOrthogonality {
  int64_t begin = 0;
  Orthogonality shape{};
  float* units = nullptr;          // [n, size]
  float* inverse_norms = nullptr;  // [n]
  double* sums = nullptr;          // [n]
};
struct DeviceRules {
  const DeviceRule* table = nullptr;       // on the device, `count` of them
  const NormBlock* block_table = nullptr;  // of those with l1 or l2, `blocks` of them
  double* sums = nullptr;                  // memory: `blocks`
  int count = 0, blocks = 0;
  bool constrains = false;
  std::span<const DeviceOrthogonality> orthogonality{};  // on the host
};
// loss_sum += rows times the penalties of w; g += their gradient, which follows a penalty of the
// same w.
void add_penalty(const DeviceRules& rules, const float* w, int64_t rows, StepState* state,
                 cudaStream_t stream);
void add_penalty_gradient(const DeviceRules& rules, const float* w, float* g, cudaStream_t stream);
// Holds w to the first `count` constraints; `bfloat16_w`, its copy, may be nullptr.
void constrain(const DeviceRules& rules, int count, float* w, void* bfloat16_w,
               cudaStream_t stream);

// The same of `rows` samples of `size` numbers, l1 sum |y| + l2 sum y^2. `sums` is memory for
// activity_penalty_sums() doubles.
size_t activity_penalty_sums();
void add_activity_penalty(const ActivityPenalty& penalty, int64_t rows, int64_t size,
                          const float* y, double* sums, StepState* state, cudaStream_t stream);
// dy = the gradient of their mean over the rows.
void activity_penalty_gradient(const ActivityPenalty& penalty, int64_t rows, int64_t size,
                               const float* y, float* dy, cudaStream_t stream);

// exchange.cu
// A contiguous piece of the parameters, by where it begins in Keras' layout and on the device. A
// convolution's kernel lies there as cuDNN wants it, [filters, H, W, C]; in Keras' layout it is
// [H, W, C, filters], the transpose.
struct Segment {
  int64_t keras = 0, device = 0, size = 0;
  int64_t filters = 0;    // 0: the same in both layouts
  bool is_state = false;  // ParameterRole::kState
};
// All segments of a model, which together cover its parameters.
struct Segments {
  const Segment* table = nullptr;  // on the device, `count` of them
  int count = 0;
  int64_t largest = 0;  // floats of the largest one, which decides how many threads are launched
};
// keras = scale device, each parameter to its place in Keras' layout.
void read_scaled(const Segments& segments, float scale, const float* device, float* keras,
                 cudaStream_t stream);
// What a window has come to, likewise. `start` holds sums of gradients before `sums_end`, and from
// there on an anchor:
//   keras = device                                             before weights_end
//   keras = scale start                                        before sums_end
//   keras = scale (device - start), or with state_scale        behind both
struct WindowUpdate {
  float scale = 1, state_scale = 1;
  int64_t sums_end = 0, weights_end = 0;  // on the device
};
void read_update(const Segments& segments, const WindowUpdate& update, const float* device,
                 const float* start, float* keras, cudaStream_t stream);
// Each parameter from its place in Keras' layout; `own`, in that layout too, may be nullptr for 0,
// and `bfloat16_copy` for none.
//   device += rate (keras - device)      before pull.end
//   device = keras + own                 behind it
struct ElasticPull {
  float rate = 0;
  int64_t end = 0;  // on the device
};
void write_sum(const Segments& segments, const float* keras, const float* own,
               const ElasticPull& pull, float* device, void* bfloat16_copy, cudaStream_t stream);

}  // namespace sluice::backend::cuda
