// Against plain loops, over gradients as a max pooling routes them.
#include "backend/cpu/routed_gradient.h"

#include <gtest/gtest.h>

#include <ostream>

#include "backend/cpu/elementwise.h"
#include "backend/cpu/onednn.h"
#include "core/aligned_buffer.h"
#include "core/rng.h"

namespace sluice::backend::cpu {
namespace {

constexpr int64_t kBatch = 3;
constexpr Conv2DOp kOp{.kernel_h = 3, .kernel_w = 3};

// A batch of images in blocks of 16 channels, and what they are in floats.
struct Images {
  explicit Images(const Shape& s)
      : shape(s),
        floats(static_cast<size_t>(kBatch * s.size())),
        memory(floats_for(Type::kBfloat16, floats.size())) {}

  size_t index(int64_t n, int64_t h, int64_t w, int64_t c) const {
    const int64_t block = n * shape[2] / 16 + c / 16;
    return static_cast<size_t>(((block * shape[0] + h) * shape[1] + w) * 16 + c % 16);
  }
  void set(size_t at, float value) {
    convert(1, &value, image(0) + at);
    convert(1, image(0) + at, &floats[at]);
  }
  Bfloat16* image(int64_t n) {
    return reinterpret_cast<Bfloat16*>(memory.data()) + n * shape.size();
  }

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

class RoutedGradientTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!has_bfloat16()) GTEST_SKIP() << "the processor has neither AVX512_BF16 nor AMX";
  }
};

TEST_P(RoutedGradientTest, EqualsPlainLoops) {
  const auto& [x_shape, y_shape, density] = GetParam();
  const int64_t channels = x_shape[2], filters = y_shape[2];
  Images x(x_shape), dy(y_shape);
  core::Rng rng(1);
  for (size_t i = 0; i < x.floats.size(); ++i) x.set(i, rng.uniform(-1, 1));
  std::vector<double> kernel(static_cast<size_t>(9 * channels * filters)), bias(filters);
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
        kernel[static_cast<size_t>((tap * channels + c) * filters + f)] +=
            gradient * x.floats[x.index(n, h + tap / 3, w + tap % 3, c)];
      }
    }
  }

  ASSERT_TRUE(RoutedGradient::fits(kOp, x_shape, y_shape));
  const RoutedGradient routed(x_shape, y_shape);
  // As two threads would.
  std::vector<float> sums(static_cast<size_t>(2 * routed.sums_size()));
  for (int64_t n = 0; n < kBatch; ++n) {
    routed.add(x.image(n), dy.image(n), sums.data() + n % 2 * routed.sums_size());
  }
  std::vector<float> got(kernel.size()), got_bias(bias.size());
  routed.finish(2, sums.data(), got.data(), got_bias.data());
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], kernel[i], 1e-4) << "kernel " << i;
  for (size_t i = 0; i < bias.size(); ++i) ASSERT_NEAR(got_bias[i], bias[i], 1e-4) << "bias " << i;
}

INSTANTIATE_TEST_SUITE_P(Shapes, RoutedGradientTest, ::testing::ValuesIn(kCases));

TEST(RoutedGradientFitsTest, OnlyThreeByThreeWithoutPaddingOverWholeBlocksAndWindows) {
  if (!has_bfloat16()) GTEST_SKIP() << "the processor has neither AVX512_BF16 nor AMX";
  const auto fits = RoutedGradient::fits;
  EXPECT_TRUE(fits(kOp, {6, 6, 16}, {4, 4, 32}));
  EXPECT_FALSE(fits({.kernel_h = 1, .kernel_w = 3}, {4, 6, 16}, {4, 4, 32}));
  EXPECT_FALSE(fits({.kernel_h = 3, .kernel_w = 3, .stride_w = 2}, {6, 9, 16}, {4, 4, 32}));
  const Padding2D same{.top = 1, .bottom = 1, .left = 1, .right = 1};
  EXPECT_FALSE(fits({.kernel_h = 3, .kernel_w = 3, .padding = same}, {4, 4, 16}, {4, 4, 32}));
  EXPECT_FALSE(fits(kOp, {6, 6, 1}, {4, 4, 32}));
  EXPECT_FALSE(fits(kOp, {6, 6, 16}, {4, 4, 8}));
  EXPECT_FALSE(fits(kOp, {7, 6, 16}, {5, 4, 32}));
  EXPECT_FALSE(fits(kOp, {4, 402, 16}, {2, 400, 32}));
}

}  // namespace
}  // namespace sluice::backend::cpu
