// Losses of a whole batch; formulas: backend/batch_losses.h, which the CPU has too. Sums are added
// up in a fixed order, those of groups in double.
#include "backend/batch_losses.h"
#include "backend/cuda/lanes.cuh"

namespace sluice::backend::cuda {
namespace {

using batch_losses::Groups;
using batch_losses::Overlap;
using batch_losses::Ratio;
using loss_rows::TargetLayout;

// --- Kernels ---

// Groups are summed up in parts, so that one large group keeps the whole card busy.
inline constexpr int64_t kMostParts = 256;

struct OverlapScratch {
  Overlap* parts;   // [groups, parts]
  double2* slopes;  // [groups]: by_target and constant of their gradient
  double* mean;     // loss
};

struct OverlapShape {
  Ratio ratio;
  Groups groups;
  TargetLayout layout;
  int64_t parts;  // of a group
  bool weighted;
  float weight;  // of the output
};

// A block has a part of a group.
__global__ void add_up_kernel(OverlapShape shape, const float* z, const float* y,
                              OverlapScratch scratch) {
  const int64_t group = blockIdx.x / shape.parts, part = blockIdx.x % shape.parts;
  const Groups& groups = shape.groups;
  Overlap sums;
  for (int64_t i = part * kBlock + threadIdx.x; i < groups.size(); i += shape.parts * kBlock) {
    const Groups::Place at = groups.place(group, i);
    const int64_t row = at.sample * groups.positions + at.position;
    sums.add(y[shape.layout.target(row) + at.output], z[row * groups.outputs + at.output]);
  }
  sums = {block_sum(sums.both), block_sum(sums.targets), block_sum(sums.outputs)};
  if (threadIdx.x == 0) scratch.parts[blockIdx.x] = sums;
}

// The groups' losses, and what their gradients are made of; in one block.
__global__ void groups_kernel(OverlapShape shape, const float* y, OverlapScratch scratch) {
  const Groups& groups = shape.groups;
  const auto weight_of = [&](int64_t sample) {
    return shape.weighted ? y[shape.layout.weight(sample * groups.positions)] : 1.0f;
  };
  double weights = 0;
  for (int64_t n = threadIdx.x; n < groups.samples; n += kBlock) weights += weight_of(n);
  const double mean_weight = block_sum(weights) / static_cast<double>(groups.samples);
  const auto count = static_cast<double>(groups.count());
  double sum = 0;
  for (int64_t group = threadIdx.x; group < groups.count(); group += kBlock) {
    Overlap sums;
    for (int64_t part = 0; part < shape.parts; ++part) {
      const Overlap& other = scratch.parts[group * shape.parts + part];
      sums.both += other.both;
      sums.targets += other.targets;
      sums.outputs += other.outputs;
    }
    const batch_losses::GroupLoss loss = loss_of_group(shape.ratio, sums);
    const double weight =
        groups.kept.samples ? weight_of(groups.place(group, 0).sample) : mean_weight;
    sum += weight * loss.loss;
    const double scale = shape.weight * weight / count;
    scratch.slopes[group] = {scale * loss.by_target, scale * loss.constant};
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) *scratch.mean = sum / count;
}

__global__ void overlap_gradient_kernel(OverlapShape shape, const float* y, OverlapScratch scratch,
                                        float* gradient, float* losses) {
  const Groups& groups = shape.groups;
  const int64_t rows = groups.samples * groups.positions;
  for (int64_t i = first_index(); i < rows * groups.outputs; i += index_stride()) {
    if (i < rows) losses[i] = static_cast<float>(*scratch.mean);
    if (gradient == nullptr) continue;
    const int64_t row = i / groups.outputs, output = i % groups.outputs;
    const double2 slope =
        scratch.slopes[groups.group_of({row / groups.positions, row % groups.positions, output})];
    gradient[i] = static_cast<float>(slope.x) * y[shape.layout.target(row) + output] +
                  static_cast<float>(slope.y);
  }
}

struct CircleShape {
  Circle loss;
  int64_t samples, outputs;
  bool weighted;
  float weight;  // of the output

  __device__ TargetLayout layout() const { return {1, 1, weighted}; }
};

// products[i, j] = z_i z_j; a warp to each.
__global__ void products_kernel(CircleShape shape, const float* z, float* products) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (at >= shape.samples * shape.samples) return;
  const float* const a = z + at / shape.samples * shape.outputs;
  const float* const b = z + at % shape.samples * shape.outputs;
  const float product = Lanes().sum(shape.outputs, [&](int64_t k) { return a[k] * b[k]; });
  if (threadIdx.x == 0) products[at] = product;
}

// A warp to each sample: its loss without its weight, and in place of its products the derivatives
// by them.
__global__ void circle_kernel(CircleShape shape, const float* y, float* products, float* losses) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (i >= shape.samples) return;
  const TargetLayout layout = shape.layout();
  const float weight = shape.weighted ? y[layout.weight(i)] : 1.0f;
  const float loss = batch_losses::circle_of_row(
      shape.loss, Lanes(), shape.samples, i, [&](int64_t j) { return y[layout.target(j)]; },
      shape.weight * weight, products + i * shape.samples);
  if (threadIdx.x == 0) losses[i] = loss;
}

// The samples that have a loss, at least 1; in one block.
__global__ void count_losses_kernel(int64_t samples, const float* losses, double* counted) {
  double count = 0;
  for (int64_t i = threadIdx.x; i < samples; i += kBlock) count += losses[i] == 0 ? 0 : 1;
  count = block_sum(count);
  if (threadIdx.x == 0) *counted = count > 0 ? count : 1;
}

// A warp to each sample: gradient_i = sum_j (s_ij + s_ji) z_j / counted, s the derivatives.
__global__ void circle_gradient_kernel(CircleShape shape, const float* z, const float* y,
                                       const float* slopes, const double* counted, float* gradient,
                                       float* losses) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (i >= shape.samples) return;
  const int64_t samples = shape.samples;
  const auto divisor = static_cast<float>(*counted);
  if (gradient != nullptr) {
    Lanes().each(shape.outputs, [&](int64_t k) {
      float sum = 0;
      for (int64_t j = 0; j < samples; ++j) {
        sum += (slopes[i * samples + j] + slopes[j * samples + i]) * z[j * shape.outputs + k];
      }
      gradient[i * shape.outputs + k] = sum / divisor;
    });
  }
  if (threadIdx.x != 0) return;
  const float weight = shape.weighted ? y[shape.layout().weight(i)] : 1.0f;
  losses[i] *= weight * static_cast<float>(samples) / divisor;
}

// --- Launchers ---

Groups groups_of(const LossShape& shape) {
  return {shape.rows / shape.positions, shape.positions, shape.outputs, shape.kept};
}

void overlap(const Ratio& ratio, const LossShape& shape, const float* z, const float* y,
             float* gradient, float* losses, double* scratch, cudaStream_t stream) {
  const Groups groups = groups_of(shape);
  const int64_t count = groups.count();
  const int64_t parts = std::clamp<int64_t>(kMostParts / count, 1, ceil_div(groups.size(), kBlock));
  const OverlapShape overlap{
      ratio, groups,         TargetLayout(shape.positions, shape.outputs, shape.weighted),
      parts, shape.weighted, shape.weight};
  OverlapScratch memory{};
  memory.slopes = reinterpret_cast<double2*>(scratch);
  memory.parts = reinterpret_cast<Overlap*>(scratch + 2 * count);
  memory.mean = scratch + 2 * count + 3 * count * parts;
  launch(add_up_kernel, Grid{dim3(static_cast<unsigned>(count * parts)), dim3(kBlock)}, stream,
         overlap, z, y, memory);
  launch(groups_kernel, Grid{dim3(1), dim3(kBlock)}, stream, overlap, y, memory);
  launch(overlap_gradient_kernel, grid_for(shape.rows * shape.outputs), stream, overlap, y, memory,
         gradient, losses);
}

void circle(const Circle& loss, const LossShape& shape, const float* z, const float* y,
            float* gradient, float* losses, double* scratch, cudaStream_t stream) {
  const CircleShape circle{loss, shape.rows, shape.outputs, shape.weighted, shape.weight};
  double* const counted = scratch;
  float* const products = reinterpret_cast<float*>(scratch + 1);
  launch(products_kernel, warp_per_row(shape.rows * shape.rows), stream, circle, z, products);
  launch(circle_kernel, warp_per_row(shape.rows), stream, circle, y, products, losses);
  launch(count_losses_kernel, Grid{dim3(1), dim3(kBlock)}, stream, shape.rows, losses, counted);
  launch(circle_gradient_kernel, warp_per_row(shape.rows), stream, circle, z, y, products, counted,
         gradient, losses);
}

}  // namespace

size_t batch_loss_scratch(const LossSpec& loss, const LossShape& shape) {
  if (std::holds_alternative<Circle>(loss.loss)) {
    return 1 + static_cast<size_t>(ceil_div(shape.rows * shape.rows, 2));
  }
  if (!batch_losses::is_of_batch(loss)) return 0;
  const int64_t count = groups_of(shape).count();
  return static_cast<size_t>(2 * count + 3 * std::max(count, kMostParts) + 1);
}

void compute_batch_loss(const LossSpec& loss, const LossShape& shape, const float* z,
                        const float* targets, float* gradient, float* losses, double* scratch,
                        cudaStream_t stream) {
  std::visit(
      [&]<typename Loss>(const Loss& one) {
        if constexpr (std::is_same_v<Loss, Circle>) {
          circle(one, shape, z, targets, gradient, losses, scratch, stream);
        } else if constexpr (batch_losses::kOfBatch<Loss>) {
          overlap(batch_losses::ratio_of(one), shape, z, targets, gradient, losses, scratch,
                  stream);
        }
      },
      loss.loss);
}

}  // namespace sluice::backend::cuda
