// Pooling against plain loops: odd windows, both layouts, equal values, NaN and infinities, the
// ReLU's mask.
#include "backend/cpu/pooling_loops.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <ostream>

#include "backend/cpu/elementwise.h"
#include "core/rng.h"

namespace sluice::backend::cpu {
namespace {

using Kind = Pool2DOp::Kind;
constexpr int64_t kBatch = 3;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Case {
  std::string name;
  Pool2DOp op;
  Shape x;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

Shape output_of(const Case& c) {
  const Padding2D& pad = c.op.padding;
  return {(c.x[0] + pad.top + pad.bottom - c.op.pool_h) / c.op.stride_h + 1,
          (c.x[1] + pad.left + pad.right - c.op.pool_w) / c.op.stride_w + 1, c.x[2]};
}

// Where element (n, h, w, c) lies, by the definition of each layout.
size_t index_of(const Shape& s, Layout layout, int64_t n, int64_t h, int64_t w, int64_t c) {
  const int64_t at = layout == Layout::kPlain
                         ? ((n * s[0] + h) * s[1] + w) * s[2] + c
                         : (((n * s[2] + c) / 16 * s[0] + h) * s[1] + w) * 16 + c % 16;
  return static_cast<size_t>(at);
}

struct Images {
  std::vector<float> y, dx;
};

// Near each other, or both NaN, or the same infinity.
void expect_near(const std::vector<float>& got, const std::vector<float>& expected, float error) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(expected[i]) && std::isnan(got[i])) continue;
    if (got[i] == expected[i]) continue;
    ASSERT_NEAR(got[i], expected[i], error) << i;
  }
}
void expect_same(const std::vector<float>& got, const std::vector<float>& expected) {
  expect_near(got, expected, 0);
}

// One output at a time; x and dy lie as `p` says, and so do the results.
Images plain_loops(const Case& c, Layout x_layout, Layout y_layout, bool relu,
                   const std::vector<float>& x, const std::vector<float>& dy) {
  const Shape out = output_of(c);
  Images result{std::vector<float>(dy.size()), std::vector<float>(x.size())};
  const auto for_each_output = [&](const auto& visit) {
    for (int64_t i = 0; i < kBatch * out.size(); ++i) {
      visit(i / out[2] / out[1] / out[0], i / out[2] / out[1] % out[0], i / out[2] % out[1],
            i % out[2]);
    }
  };
  for_each_output([&](int64_t n, int64_t h, int64_t w, int64_t channel) {
    std::vector<size_t> cells;
    for (int64_t i = 0; i < c.op.pool_h; ++i) {
      for (int64_t j = 0; j < c.op.pool_w; ++j) {
        const int64_t row = h * c.op.stride_h - c.op.padding.top + i;
        const int64_t column = w * c.op.stride_w - c.op.padding.left + j;
        if (row < 0 || row >= c.x[0] || column < 0 || column >= c.x[1]) continue;
        cells.push_back(index_of(c.x, x_layout, n, row, column, channel));
      }
    }
    const size_t at = index_of(out, y_layout, n, h, w, channel);
    if (c.op.kind == Kind::kAverage) {
      const auto count = static_cast<float>(cells.size());
      for (size_t cell : cells) result.y[at] += x[cell] / count;
      for (size_t cell : cells) result.dx[cell] += dy[at] / count;
      return;
    }
    size_t best = cells.front();
    for (size_t cell : cells) best = x[cell] > x[best] || std::isnan(x[cell]) ? cell : best;
    result.y[at] = x[best];
    if (!relu || x[best] > 0) result.dx[best] += dy[at];
  });
  return result;
}

// What images are made of. Few different values, so that most windows have several largest cells.
// Both signs of NaN: processors make negative ones.
using Palette = std::array<float, 8>;
constexpr Palette kNumbers = {-2, -1, 0, 1, -2, -1, 0, 1};
constexpr Palette kBehindRelu = {0, 1, 2, 3, 0, 1, 2, 3};
constexpr Palette kInfinities = {-2, -1, 0, 1, kInfinity, -kInfinity, -kInfinity, -kInfinity};
constexpr Palette kOneSign = {-2, -1, 0, 1, -kInfinity, -kInfinity, -kInfinity, -kInfinity};
constexpr Palette kNans = {-2, -1, 0, 1, kNan, -kNan, kInfinity, -kInfinity};
constexpr Palette kMostlyNan = {kNan, kNan, -kNan, -kNan, kNan, kNan, -1, 1};
constexpr Palette kNanBehindRelu = {0, 1, 0, 3, 0, 0, kInfinity, kNan};

class PoolingLoopsTest : public ::testing::TestWithParam<Case> {
 protected:
  void expect_plain_loops(Layout x_layout, Layout y_layout, Pooling::Mask mask,
                          const Palette& palette) {
    const Case& c = GetParam();
    const Shape out = output_of(c);
    const Pooling p{c.op, ImageView(c.x, x_layout), ImageView(out, y_layout), mask};
    const bool relu = mask == Pooling::Mask::kRelu;
    SCOPED_TRACE(testing::Message()
                 << "layouts " << static_cast<int>(x_layout) << " to " << static_cast<int>(y_layout)
                 << (relu ? ", behind a ReLU" : "") << ", " << palette[4] << " " << palette[7]);
    core::Rng rng(1);
    std::vector<float> x(static_cast<size_t>(kBatch * c.x.size()));
    std::vector<float> dy(static_cast<size_t>(kBatch * out.size()));
    for (float& value : x) value = palette[rng.below(palette.size())];
    for (float& value : dy) value = rng.uniform(-1, 1);

    std::vector<float> y(dy.size(), -7), dx(x.size(), -7);
    const int64_t blocks = (c.x[2] + 15) / 16, rows = kBatch * out[0];
    std::vector<uint8_t> cells(static_cast<size_t>(rows * blocks * out[1] * 16));
    // In two pieces, as two threads would: the gradient's at an image's edge unless cells are
    // remembered.
    const int64_t cut = rows / 2, image_cut = remembers_cells(p) ? cut : out[0];
    for (const auto& [begin, end] : {std::pair{cut, rows}, {int64_t{0}, cut}}) {
      if (c.op.kind == Kind::kMax) {
        max_pool(p, begin, end, x.data(), y.data(), cells.data());
      } else {
        average_pool(p, begin, end, x.data(), y.data());
      }
    }
    for (const auto& [begin, end] : {std::pair{image_cut, rows}, {int64_t{0}, image_cut}}) {
      if (c.op.kind == Kind::kMax) {
        max_pool_gradient(p, begin, end, x.data(), cells.data(), dy.data(), dx.data());
      } else {
        average_pool_gradient(p, begin, end, dy.data(), dx.data());
      }
    }
    const Images expected = plain_loops(c, x_layout, y_layout, relu, x, dy);
    expect_near(y, expected.y, 1e-6f);
    expect_near(dx, expected.dx, 2e-6f);
    if (remembers_cells(p)) expect_same_in_bfloat16(p, x, dy, y, cells);
  }

  // Maxima and their gradients move numbers about, so that they come out as in floats.
  static void expect_same_in_bfloat16(const Pooling& p, const std::vector<float>& x,
                                      const std::vector<float>& dy, const std::vector<float>& y,
                                      const std::vector<uint8_t>& cells) {
    const int64_t rows = kBatch * p.y.height;
    std::vector<Bfloat16> x_16(x.size()), y_16(y.size()), dy_16(dy.size()), dx_16(x.size());
    convert(static_cast<int64_t>(x.size()), x.data(), x_16.data());
    convert(static_cast<int64_t>(dy.size()), dy.data(), dy_16.data());
    std::vector<uint8_t> cells_16(cells.size());
    max_pool(p, 0, rows, x_16.data(), y_16.data(), cells_16.data());
    max_pool_gradient(p, 0, rows, cells_16.data(), dy_16.data(), dx_16.data());
    EXPECT_EQ(cells_16, cells);
    const auto widened = [](const std::vector<Bfloat16>& from) {
      std::vector<float> to(from.size());
      convert(static_cast<int64_t>(from.size()), from.data(), to.data());
      return to;
    };
    expect_same(widened(y_16), y);
    const std::vector<float> dy_rounded = widened(dy_16);
    std::vector<float> dx(x.size());
    max_pool_gradient(p, 0, rows, x.data(), cells.data(), dy_rounded.data(), dx.data());
    expect_same(widened(dx_16), dx);
  }
};

TEST_P(PoolingLoopsTest, EqualPlainLoopsInEveryLayout) {
  std::vector<Layout> layouts{Layout::kPlain};
  if (GetParam().x[2] % 16 == 0) layouts.push_back(Layout::kBlocked16);
  for (Layout x : layouts) {
    for (Layout y : layouts) {
      for (const Palette& palette : {kNumbers, kInfinities, kOneSign, kNans, kMostlyNan}) {
        expect_plain_loops(x, y, Pooling::Mask::kNone, palette);
      }
      if (GetParam().op.kind != Kind::kMax) continue;
      for (const Palette& palette : {kBehindRelu, kNanBehindRelu}) {
        expect_plain_loops(x, y, Pooling::Mask::kRelu, palette);
      }
    }
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& [name, kind] : {std::pair{"max", Kind::kMax}, {"average", Kind::kAverage}}) {
    const auto add = [&all, &kind = kind, prefix = std::string(name) + "_"](
                         const std::string& what, Pool2DOp op, const Shape& x) {
      op.kind = kind;
      all.push_back({prefix + what, op, x});
    };
    const Pool2DOp two{};
    add("2x2_one_channel", two, {6, 8, 1});
    add("2x2_16_channels", two, {6, 8, 16});
    add("2x2_48_channels", two, {4, 2, 48});
    add("2x2_19_channels", two, {4, 6, 19});
    add("2x2_odd_image", two, {7, 5, 32});
    add("2x2_odd_rows", two, {5, 4, 16});
    add("2x2_odd_columns", two, {4, 7, 48});
    add("2x2_padded_below", {.padding = {.bottom = 1, .right = 1}}, {5, 6, 16});
    add("2x2_padded_above", {.padding = {.top = 1, .left = 1}}, {4, 4, 16});
    add("2x2_padded_left", {.padding = {.left = 1}}, {4, 4, 16});
    add("2x2_padded_above_even", {.padding = {1, 1, 0, 0}}, {6, 4, 16});
    add("overlapping", {Kind::kMax, 3, 3, 2, 2, {1, 1, 1, 1}}, {7, 9, 33});
    add("stride_one", {Kind::kMax, 2, 3, 1, 1, {0, 1, 1, 1}}, {5, 4, 16});
    add("gaps", {Kind::kMax, 1, 2, 3, 3, {}}, {8, 8, 5});
    add("whole_image", {Kind::kMax, 5, 7, 1, 1, {}}, {5, 7, 17});
    add("more_cells_than_a_byte", {Kind::kMax, 17, 18, 1, 1, {}}, {18, 18, 2});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, PoolingLoopsTest, ::testing::ValuesIn(cases()),
                         [](const auto& param_info) { return param_info.param.name; });

// One window of 2 x 2 over 16 channels: the value of the first, and which cell got the gradient.
struct Routed {
  float value;
  int cell;  // -1: none
};
Routed pool_one_window(const std::array<float, 4>& window, Pooling::Mask mask) {
  const Pooling p{
      {}, ImageView({2, 2, 16}, Layout::kPlain), ImageView({1, 1, 16}, Layout::kPlain), mask};
  std::vector<float> x(64), y(16), dx(64);
  const std::vector<float> dy(16, 1);
  std::vector<uint8_t> cells(16);
  for (size_t i = 0; i < 64; ++i) x[i] = window[i / 16];
  max_pool(p, 0, 1, x.data(), y.data(), cells.data());
  max_pool_gradient(p, 0, 1, x.data(), cells.data(), dy.data(), dx.data());
  Routed routed{y[0], -1};
  for (int cell = 0; cell < 4; ++cell) {
    if (dx[static_cast<size_t>(cell) * 16] != 0) routed.cell = cell;
  }
  return routed;
}

TEST(MaxPoolTest, TheLastNanOfAWindowIsItsLargestCell) {
  const auto cell_of = [](const std::array<float, 4>& window) {
    const Routed routed = pool_one_window(window, Pooling::Mask::kNone);
    EXPECT_TRUE(std::isnan(routed.value));
    return routed.cell;
  };
  EXPECT_EQ(cell_of({kNan, 1, 2, 3}), 0);
  EXPECT_EQ(cell_of({1, 2, 3, kNan}), 3);
  EXPECT_EQ(cell_of({1, -kNan, 9, kInfinity}), 1);
  EXPECT_EQ(cell_of({kNan, 1, kNan, 3}), 2);
  EXPECT_EQ(cell_of({kNan, kNan, kNan, kNan}), 3);
}

TEST(MaxPoolTest, InfinitiesAreNumbers) {
  const auto expect = [](const std::array<float, 4>& window, float value, int cell) {
    const Routed routed = pool_one_window(window, Pooling::Mask::kNone);
    EXPECT_EQ(routed.value, value);
    EXPECT_EQ(routed.cell, cell);
  };
  expect({-kInfinity, -kInfinity, -kInfinity, -kInfinity}, -kInfinity, 0);
  expect({-1, kInfinity, -kInfinity, kInfinity}, kInfinity, 1);
}

// ReLU's derivative at NaN is 0, as TensorFlow has it: NaN is not above zero.
TEST(MaxPoolTest, NanBehindAReluIsKeptAndPassesNoGradientOn) {
  const Routed routed = pool_one_window({5, kNan, 1, 0}, Pooling::Mask::kRelu);
  EXPECT_TRUE(std::isnan(routed.value));
  EXPECT_EQ(routed.cell, -1);
  EXPECT_EQ(pool_one_window({5, 0, 1, 0}, Pooling::Mask::kRelu).cell, 0);
}

TEST(RemembersCellsTest, OnlyForMaximaOfTwoByTwoWindowsSideBySideOverWholeBlocks) {
  const auto remembers = [](const Pool2DOp& op, const Shape& x) {
    const Shape y = output_of({"", op, x});
    return remembers_cells(
        {op, ImageView(x, Layout::kPlain), ImageView(y, Layout::kPlain), Pooling::Mask::kNone});
  };
  EXPECT_TRUE(remembers({}, {4, 6, 32}));
  EXPECT_FALSE(remembers({}, {4, 6, 20}));
  EXPECT_TRUE(remembers({}, {5, 6, 32}));  // a row that no window covers has a gradient too: zero
  EXPECT_FALSE(remembers({.stride_w = 1}, {4, 6, 32}));
  EXPECT_FALSE(remembers({.padding = {.top = 1, .bottom = 1}}, {4, 6, 32}));
  EXPECT_FALSE(remembers({.kind = Kind::kAverage}, {4, 6, 32}));
}

}  // namespace
}  // namespace sluice::backend::cpu
