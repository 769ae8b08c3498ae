// Normalization within a sample, a group at a time: the mean, then the spread around it, then the
// elements. Sums are double, in lanes that the compiler turns into vectors.
#include <algorithm>
#include <optional>
#include <type_traits>
#include <vector>

#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/parameter_gradient.h"
#include "backend/normalization.h"
#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

// Elements at equal distances, and their weights.
struct Run {
  int64_t size = 1, stride = 0, weight_stride = 0;
};

// What a group is normalized with.
struct Statistics {
  float mean = 0, scale = 0;

  [[gnu::always_inline]] float normalized(float x) const { return (x - mean) * scale; }
};

constexpr int kLanes = 8;

// Calls body(stride, weight stride) with constants where they are the usual ones.
template <typename Body>
[[gnu::always_inline]] inline void with_strides(const Run& run, const Body& body) {
  using One = std::integral_constant<int64_t, 1>;
  using Zero = std::integral_constant<int64_t, 0>;
  if (run.stride == 1 && run.weight_stride == 1) {
    body(One{}, One{});
  } else if (run.stride == 1 && run.weight_stride == 0) {
    body(One{}, Zero{});
  } else {
    body(run.stride, run.weight_stride);
  }
}

// Calls visit(i, lane) for all i.
template <typename Visit>
[[gnu::always_inline]] inline void in_lanes(int64_t n, const Visit& visit) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) visit(i + lane, lane);
  }
  for (; i < n; ++i) visit(i, 0);
}

double total(const double (&lanes)[kLanes]) {
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

SLUICE_SIMD double sum_of(const Run& run, const float* x) {
  double lanes[kLanes] = {};
  with_strides(run, [&](auto stride, auto) {
    in_lanes(run.size, [&](int64_t i, int lane) { lanes[lane] += x[i * stride]; });
  });
  return total(lanes);
}

SLUICE_SIMD double squares_of(const Run& run, const float* x, double mean) {
  double lanes[kLanes] = {};
  with_strides(run, [&](auto stride, auto) {
    in_lanes(run.size, [&](int64_t i, int lane) {
      const double distance = x[i * stride] - mean;
      lanes[lane] += distance * distance;
    });
  });
  return total(lanes);
}

SLUICE_SIMD void normalize(const Run& run, Statistics group, const float* x, const float* gamma,
                           const float* beta, float* y) {
  with_strides(run, [&](auto stride, auto weight_stride) {
    for (int64_t i = 0; i < run.size; ++i) {
      y[i * stride] =
          group.normalized(x[i * stride]) * gamma[i * weight_stride] + beta[i * weight_stride];
    }
  });
}

struct GradientSums {
  double dz = 0, dz_z = 0;
};

// The sums over the run; the gradients of its weights are added to theirs.
SLUICE_SIMD GradientSums gradient_sums(const Run& run, Statistics group, const float* x,
                                       const float* dy, const float* gamma, double* dgamma,
                                       double* dbeta) {
  double dz[kLanes] = {}, dz_z[kLanes] = {};
  if (run.weight_stride == 0) {  // one weight for all
    with_strides(run, [&](auto stride, auto) {
      in_lanes(run.size, [&](int64_t i, int lane) {
        dz[lane] += dy[i * stride];
        dz_z[lane] += dy[i * stride] * group.normalized(x[i * stride]);
      });
    });
    *dgamma += total(dz_z);
    *dbeta += total(dz);
    return {total(dz) * *gamma, total(dz_z) * *gamma};
  }
  with_strides(run, [&](auto stride, auto weight_stride) {
    in_lanes(run.size, [&](int64_t i, int lane) {
      const float of_y = dy[i * stride], z = group.normalized(x[i * stride]);
      const float of_z = of_y * gamma[i * weight_stride];
      dbeta[i * weight_stride] += of_y;
      dgamma[i * weight_stride] += of_y * z;
      dz[lane] += of_z;
      dz_z[lane] += of_z * z;
    });
  });
  return {total(dz), total(dz_z)};
}

SLUICE_SIMD void input_gradient(const Run& run, Statistics group, float a, float b, const float* x,
                                const float* dy, const float* gamma, float* dx) {
  with_strides(run, [&](auto stride, auto weight_stride) {
    for (int64_t i = 0; i < run.size; ++i) {
      const float dz = dy[i * stride] * gamma[i * weight_stride];
      dx[i * stride] = group.scale * (dz - a - group.normalized(x[i * stride]) * b);
    }
  });
}

using Place = NormalizationWalk::Place;

class Normalize final : public Kernel {
 public:
  Normalize(const Build& build, const NormalizeOp& op)
      : threads_(build.device.threads),
        batch_(build.batch),
        x_(build.x()),
        y_(build.y()),
        shape_(normalization_of(op)),
        weights_(shape_.weights.size),
        ones_(static_cast<size_t>(op.gamma ? 0 : weights_), 1.0f),
        zeros_(static_cast<size_t>(op.beta ? 0 : weights_), 0.0f),
        gamma_(op.gamma ? build.parameters.values_of(*op.gamma) : ones_.data()),
        beta_(op.beta ? build.parameters.values_of(*op.beta) : zeros_.data()) {
    const NormalizationWalk& elements = shape_.elements;
    if (elements.count > 0) {
      const NormalizationWalk::Axis& last = elements.axes[elements.count - 1];
      run_ = {last.size, last.stride, last.other_stride};
    }
    for (int64_t at = 0; at < elements.size; at += run_.size) runs_.push_back(elements.place(at));
    statistics_ = build.memory.add(2 * static_cast<size_t>(batch_ * shape_.groups.size),
                                   build.forward_time, build.backward_time);
    if (!build.has_backward()) return;
    gamma_gradient_ = ParameterGradient::if_wanted(build, 0);
    beta_gradient_ = ParameterGradient::if_wanted(build, 1);
    const size_t doubles = 2 * static_cast<size_t>(threads_ * weights_);
    sums_ = build.memory.add(doubles * sizeof(double) / sizeof(float), build.backward_time,
                             build.backward_time);
  }

  void forward(Mode, uint64_t) override {
    for_groups([this](int, const Group& group) {
      const float* x = x_.data->data + group.at;
      *group.statistics = statistics_of(x);
      for (const Place& run : runs_) {
        const int64_t weight = group.weight + run.other;
        normalize(run_, *group.statistics, x + run.at, gamma_ + weight, beta_ + weight,
                  y_.data->data + group.at + run.at);
      }
    });
  }

  void backward(uint64_t) override {
    auto* const sums = sums_->as<double>();  // [threads, (gamma, beta), W]
    std::fill_n(sums, 2 * threads_ * weights_, 0.0);
    for_groups([&](int piece, const Group& group) {
      const float* x = x_.data->data + group.at;
      const float* dy = y_.gradient->data + group.at;
      double* const dgamma = sums + 2 * piece * weights_;
      GradientSums all;
      for (const Place& run : runs_) {
        const int64_t weight = group.weight + run.other;
        const GradientSums more =
            gradient_sums(run_, *group.statistics, x + run.at, dy + run.at, gamma_ + weight,
                          dgamma + weight, dgamma + weights_ + weight);
        all = {all.dz + more.dz, all.dz_z + more.dz_z};
      }
      if (x_.gradient == nullptr) return;
      const float a = shape_.a(static_cast<float>(all.dz));
      const float b = shape_.b(static_cast<float>(all.dz_z), group.statistics->scale);
      for (const Place& run : runs_) {
        input_gradient(run_, *group.statistics, a, b, x + run.at, dy + run.at,
                       gamma_ + group.weight + run.other, x_.gradient->data + group.at + run.at);
      }
    });
    write(gamma_gradient_, sums);
    write(beta_gradient_, sums + weights_);
  }

 private:
  struct Group {
    int64_t at, weight;  // its first element in the batch, and that element's weight
    Statistics* statistics;
  };

  // Calls body(piece, group) for all groups of the batch.
  template <typename Body>
  void for_groups(const Body& body) {
    const int64_t groups = shape_.groups.size;
    parallel_pieces(threads_, batch_ * groups, 1, [&](int piece, int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; ++g) {
        const Place first = shape_.groups.place(g % groups);
        body(piece, Group{g / groups * shape_.sample + first.at, first.other,
                          statistics_->as<Statistics>() + g});
      }
    });
  }

  Statistics statistics_of(const float* x) const {
    if (shape_.kind == NormalizeOp::Kind::kNone) return {0, 1};
    double mean = 0;
    const auto count = static_cast<double>(shape_.elements.size);
    if (shape_.kind == NormalizeOp::Kind::kStandard) {
      for (const Place& run : runs_) mean += sum_of(run_, x + run.at);
      mean /= count;
    }
    double squares = 0;
    for (const Place& run : runs_) squares += squares_of(run_, x + run.at, mean);
    if (shape_.kind != NormalizeOp::Kind::kUnit) squares /= count;
    return {static_cast<float>(mean), shape_.scale(squares)};
  }

  void write(const std::optional<ParameterGradient>& gradient, const double* sums) const {
    if (!gradient) return;
    for (int64_t w = 0; w < weights_; ++w) {
      double sum = 0;
      for (int piece = 0; piece < threads_; ++piece) sum += sums[2 * piece * weights_ + w];
      gradient->data()[w] = static_cast<float>(sum);
    }
    gradient->done();
  }

  const int threads_;
  const int64_t batch_;
  const Value& x_;
  const Value& y_;
  const NormalizationShape shape_;
  const int64_t weights_;  // W
  const std::vector<float> ones_, zeros_;
  const float* const gamma_;  // [W]
  const float* const beta_;
  Run run_{};
  std::vector<Place> runs_;       // that make up a group
  Buffer* statistics_ = nullptr;  // of each group
  Buffer* sums_ = nullptr;
  std::optional<ParameterGradient> gamma_gradient_, beta_gradient_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const NormalizeOp& op) {
  return std::make_unique<Normalize>(build, op);
}

}  // namespace sluice::backend::cpu
