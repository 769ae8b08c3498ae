// The backward pass of a dense layer against plain loops in double precision: with the tiles that
// this machine gets, and with those of smaller registers, whose code any machine can run.
#include "backend/cpu/dense_loops.h"

#include <gtest/gtest.h>

#include <limits>

#include "backend/cpu/dense_tiles.h"
#include "core/rng.h"

namespace sluice::backend::cpu {
namespace {

struct Loops {
  const char* name;
  void (*input_gradient)(const DenseShape&, int64_t begin, int64_t end, const float* w,
                         const float* columns, float* dx);
  void (*kernel_gradient)(const DenseShape&, int64_t begin, int64_t end, const float* x_block,
                          const float* lines, float* dw);
};

template <int kBytes>
void input_gradient(const DenseShape& s, int64_t begin, int64_t end, const float* w,
                    const float* columns, float* dx) {
  tiles::input_gradient<tiles::VectorOf<kBytes>, 6, 2>(s, begin, end, w, columns, dx);
}
template <int kBytes>
void kernel_gradient(const DenseShape& s, int64_t begin, int64_t end, const float* x_block,
                     const float* lines, float* dw) {
  tiles::kernel_gradient<tiles::VectorOf<kBytes>, 6, 2>(s, end - begin, x_block, lines, dw);
}

void PrintTo(const Loops& loops, std::ostream* out) { *out << loops.name; }

constexpr float kUntouched = 1234;

class DenseLoopsTest : public ::testing::TestWithParam<Loops> {
 protected:
  // Buffers of exactly the sizes that are promised, so that AddressSanitizer sees a step beyond.
  void expect_gradients(const DenseShape& s, int64_t begin, int64_t end) {
    SCOPED_TRACE(testing::Message() << s.rows << " rows, " << s.features << " features [" << begin
                                    << ", " << end << "), " << s.units << " units");
    core::Rng rng(static_cast<uint64_t>(s.rows * 1000 + s.units));
    const auto floats = [&rng](int64_t size) {
      std::vector<float> values(static_cast<size_t>(size));
      for (float& value : values) value = rng.uniform(-1, 1);
      return values;
    };
    const std::vector<float> x = floats(s.rows * s.features), w = floats(s.features * s.units);
    const std::vector<float> dy = floats(s.rows * s.units);
    const auto at = [](const std::vector<float>& from, int64_t i) {
      return static_cast<double>(from[static_cast<size_t>(i)]);
    };
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> columns(static_cast<size_t>(s.units * s.padded_rows()), nan);
    std::vector<float> lines(static_cast<size_t>(s.rows * s.padded_units()), nan);
    std::vector<float> block(static_cast<size_t>(s.rows * (end - begin)), nan);
    std::vector<float> dx(x.size(), kUntouched);
    std::vector<float> dw(static_cast<size_t>((end - begin) * s.units), nan);
    pack_dense_gradient(s, dy.data(), columns.data(), lines.data());
    pack_dense_input(s, begin, end, x.data(), block.data());
    GetParam().input_gradient(s, begin, end, w.data(), columns.data(), dx.data());
    GetParam().kernel_gradient(s, begin, end, block.data(), lines.data(), dw.data());

    for (int64_t n = 0; n < s.rows; ++n) {
      for (int64_t f = 0; f < s.features; ++f) {
        double expected = f < begin || f >= end ? kUntouched : 0;
        for (int64_t u = 0; f >= begin && f < end && u < s.units; ++u) {
          expected += at(dy, n * s.units + u) * at(w, f * s.units + u);
        }
        ASSERT_NEAR(at(dx, n * s.features + f), expected, 1e-5) << "dx[" << n << ", " << f << "]";
      }
    }
    for (int64_t f = begin; f < end; ++f) {
      for (int64_t u = 0; u < s.units; ++u) {
        double expected = 0;
        for (int64_t n = 0; n < s.rows; ++n) {
          expected += at(x, n * s.features + f) * at(dy, n * s.units + u);
        }
        ASSERT_NEAR(at(dw, (f - begin) * s.units + u), expected, 1e-5)
            << "dw[" << f << ", " << u << "]";
      }
    }
  }
};

TEST_P(DenseLoopsTest, EqualPlainLoopsForSizesThatFillNoTile) {
  for (int64_t rows : {1, 7, 16, 17, 33, 48}) {
    for (int64_t units : {1, 9, 16, 17, 33, 49, 96}) expect_gradients({rows, 29, units}, 0, 29);
  }
}

TEST_P(DenseLoopsTest, ARangeOfTheKernelsRowsLeavesTheOthersAlone) {
  for (int64_t begin : {0, 3, 24}) {
    for (int64_t end : {25, 30, 53}) expect_gradients({5, 53, 10}, begin, end);
  }
}

TEST(PackDenseGradientTest, TransposesOneCopyAndPadsBothWithZeros) {
  const DenseShape s{2, 1, 3};
  const std::vector<float> dy{1, 2, 3, 4, 5, 6};
  std::vector<float> columns(3 * 16, kUntouched), lines(2 * 16, kUntouched);
  pack_dense_gradient(s, dy.data(), columns.data(), lines.data());
  std::vector<float> expected_columns(3 * 16), expected_lines(2 * 16);
  for (size_t n = 0; n < 2; ++n) {
    for (size_t u = 0; u < 3; ++u) {
      expected_columns[u * 16 + n] = dy[n * 3 + u];
      expected_lines[n * 16 + u] = dy[n * 3 + u];
    }
  }
  EXPECT_EQ(columns, expected_columns);
  EXPECT_EQ(lines, expected_lines);
}

INSTANTIATE_TEST_SUITE_P(
    Tiles, DenseLoopsTest,
    ::testing::Values(Loops{"this_machine", dense_input_gradient, dense_kernel_gradient},
                      Loops{"four_lanes", input_gradient<16>, kernel_gradient<16>},
                      Loops{"eight_lanes", input_gradient<32>, kernel_gradient<32>}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

}  // namespace
}  // namespace sluice::backend::cpu
