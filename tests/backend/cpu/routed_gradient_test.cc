// Against plain loops, over gradients as a max pooling routes them.
#include "backend/cpu/routed_gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <type_traits>
#include <vector>

#include "backend/cpu/elementwise.h"
#include "backend/cpu/onednn.h"
#include "core/aligned_buffer.h"
#include "core/rng.h"

namespace sluice::backend::cpu {
namespace {

constexpr int64_t kBatch = 3;
constexpr Conv2DOp kOp{.kernel_h = 3, .kernel_w = 3};

// A batch of images in blocks of 16 channels, and what they are in floats.
template <typename T>
struct Images {
  explicit Images(const Shape& s)
      : shape(s),
        floats(static_cast<size_t>(kBatch * s.size())),
        memory(floats_for(kType, floats.size())) {}

  size_t index(int64_t n, int64_t h, int64_t w, int64_t c) const {
    const int64_t block = n * shape[2] / 16 + c / 16;
    return static_cast<size_t>(((block * shape[0] + h) * shape[1] + w) * 16 + c % 16);
  }
  void set(size_t at, float value) {
    if constexpr (kType == Type::kFloat32) {
      image(0)[at] = floats[at] = value;
    } else {
      convert(1, &value, image(0) + at);
      convert(1, image(0) + at, &floats[at]);
    }
  }
  T* image(int64_t n) { return reinterpret_cast<T*>(memory.data()) + n * shape.size(); }

  static constexpr Type kType = std::is_same_v<T, float> ? Type::kFloat32 : Type::kBfloat16;
  Shape shape;
  std::vector<float> floats;
  core::AlignedBuffer memory;
};

struct Case {
  Shape x, y;
  double density;  // of the windows that any gradient comes through
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.y[0] << " x " << c.y[1] << ", " << c.x[2] << " to " << c.y[2] << " channels, density "
       << c.density;
}

// The third one's rows are cut into strips.
const Case kCases[] = {{{6, 8, 16}, {4, 6, 16}, 1},
                       {{26, 26, 32}, {24, 24, 48}, 0.6},
                       {{36, 40, 16}, {34, 38, 32}, 0.9},
                       {{4, 322, 16}, {2, 320, 16}, 1},
                       {{4, 4, 32}, {2, 2, 16}, 0}};

class RoutedGradientTest : public ::testing::TestWithParam<Case> {};

template <typename T>
void equals_plain_loops(const Case& shapes) {
  const auto& [x_shape, y_shape, density] = shapes;
  const int64_t channels = x_shape[2], filters = y_shape[2];
  Images<T> x(x_shape), dy(y_shape);
  core::Rng rng(1);
  for (size_t i = 0; i < x.floats.size(); ++i) x.set(i, rng.uniform(-1, 1));
  std::vector<float> weights(static_cast<size_t>(9 * channels * filters));
  core::AlignedBuffer packed(weights.size());
  for (int64_t i = 0; i < 9 * channels * filters; ++i) {
    const int64_t tap = i / filters / channels, channel = i / filters % channels, f = i % filters;
    weights[static_cast<size_t>(i)] = rng.uniform(-1, 1);
    packed.data()[((channel / 16 * filters + f) * 9 + tap) * 16 + channel % 16] =
        weights[static_cast<size_t>(i)];
  }
  std::vector<double> kernel(weights.size()), bias(filters), image(x.floats.size());
  for (int64_t i = 0; i < kBatch * y_shape.size() / 4; ++i) {
    if (rng.uniform(0, 1) >= density) continue;
    const int64_t f = i % filters, window = i / filters, width = y_shape[1] / 2;
    const int64_t n = window / width / (y_shape[0] / 2);
    const int64_t h = window / width % (y_shape[0] / 2) * 2 + static_cast<int64_t>(rng.below(2));
    const int64_t w = window % width * 2 + static_cast<int64_t>(rng.below(2));
    dy.set(dy.index(n, h, w, f), rng.uniform(-1, 1));
    const double gradient = dy.floats[dy.index(n, h, w, f)];
    bias[static_cast<size_t>(f)] += gradient;
    for (int64_t tap = 0; tap < 9; ++tap) {
      for (int64_t c = 0; c < channels; ++c) {
        const size_t pixel = x.index(n, h + tap / 3, w + tap % 3, c);
        const auto weight = static_cast<size_t>((tap * channels + c) * filters + f);
        kernel[weight] += gradient * x.floats[pixel];
        image[pixel] += gradient * weights[weight];
      }
    }
  }

  ASSERT_TRUE(RoutedGradient::fits(kOp, Images<T>::kType, x_shape, y_shape));
  const RoutedGradient routed(Images<T>::kType, x_shape, y_shape);
  // As two threads would.
  std::vector<float> sums(static_cast<size_t>(2 * routed.sums_size()));
  Images<float> dx(x_shape);
  std::fill_n(dx.image(0), image.size(), NAN);  // all of it is written
  for (int64_t n = 0; n < kBatch; ++n) {
    routed.add(x.image(n), dy.image(n), sums.data() + n % 2 * routed.sums_size());
    if constexpr (std::is_same_v<T, float>) {
      routed.spread(packed.data(), dy.image(n), dx.image(n));
    }
  }
  std::vector<float> got(kernel.size()), got_bias(bias.size());
  routed.finish(2, sums.data(), got.data(), got_bias.data());
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], kernel[i], 1e-4) << "kernel " << i;
  for (size_t i = 0; i < bias.size(); ++i) ASSERT_NEAR(got_bias[i], bias[i], 1e-4) << "bias " << i;
  if constexpr (std::is_same_v<T, float>) {
    for (size_t i = 0; i < image.size(); ++i) {
      ASSERT_NEAR(dx.image(0)[i], image[i], 1e-5) << "image " << i;
    }
  }
}

TEST_P(RoutedGradientTest, EqualsPlainLoops) {
  if (!uses_avx512()) GTEST_SKIP() << "the processor has no AVX-512";
  equals_plain_loops<float>(GetParam());
}

TEST_P(RoutedGradientTest, EqualsPlainLoopsInBfloat16) {
  if (!has_bfloat16()) GTEST_SKIP() << "the processor has neither AVX512_BF16 nor AMX";
  equals_plain_loops<Bfloat16>(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Shapes, RoutedGradientTest, ::testing::ValuesIn(kCases));

TEST(RoutedGradientFitsTest, OnlyThreeByThreeWithoutPaddingOverWholeBlocksAndWindows) {
  const auto fits = [](const Conv2DOp& op, const Shape& x, const Shape& y) {
    return RoutedGradient::fits(op, Type::kBfloat16, x, y);
  };
  EXPECT_TRUE(fits(kOp, {6, 6, 16}, {4, 4, 32}));
  EXPECT_FALSE(fits({.kernel_h = 1, .kernel_w = 3}, {4, 6, 16}, {4, 4, 32}));
  EXPECT_FALSE(fits({.kernel_h = 3, .kernel_w = 3, .stride_w = 2}, {6, 9, 16}, {4, 4, 32}));
  const Padding2D same{.top = 1, .bottom = 1, .left = 1, .right = 1};
  EXPECT_FALSE(fits({.kernel_h = 3, .kernel_w = 3, .padding = same}, {4, 4, 16}, {4, 4, 32}));
  EXPECT_FALSE(fits(kOp, {6, 6, 1}, {4, 4, 32}));
  EXPECT_FALSE(fits(kOp, {6, 6, 16}, {4, 4, 8}));
  EXPECT_FALSE(fits(kOp, {7, 6, 16}, {5, 4, 32}));
  EXPECT_FALSE(fits(kOp, {4, 402, 16}, {2, 400, 32}));
  EXPECT_TRUE(fits(kOp, {6, 6, 16}, {4, 4, 80}));
  EXPECT_FALSE(RoutedGradient::fits(kOp, Type::kFloat32, {6, 6, 16}, {4, 4, 80}));
}

}  // namespace
}  // namespace sluice::backend::cpu
