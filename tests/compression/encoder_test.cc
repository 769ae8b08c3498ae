// What is promised of all codecs alike.
#include "compression/encoder.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "tests/compression/coding.h"

namespace sluice::compression {
namespace {

constexpr size_t kSizes[] = {1, 2, 15, 31, 33, 511, 512, 513, 2047, 2048, 2049, 5000};

std::vector<double> nearest(const std::vector<float>& x, int digits, int least_exponent) {
  std::vector<double> result;
  for (const double value : x) {
    const int exponent = value == 0 ? least_exponent : std::max(std::ilogb(value), least_exponent);
    const double step = std::ldexp(1.0, exponent - digits);
    result.push_back(std::nearbyint(value / step) * step);
  }
  return result;
}

// What is to be decoded, straight from the formulas, in doubles. One block, x of moderate size.
std::vector<double> reference(const std::string& text, const std::vector<float>& x) {
  if (text == "fp16") return nearest(x, 10, -14);
  if (text == "bf16") return nearest(x, 7, -126);
  std::vector<double> result(x.begin(), x.end());
  if (text.starts_with("topk")) {
    std::vector<size_t> order(x.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order,
                             [&](size_t a, size_t b) { return std::abs(x[a]) > std::abs(x[b]); });
    const std::vector<double> rounded = nearest(x, 7, -126);
    std::ranges::fill(result, 0.0);
    order.resize(codec(text).chosen(x.size()));
    for (const size_t i : order) result[i] = rounded[i];
  }
  for (size_t begin = 0; begin < x.size(); begin += kGroup) {
    const auto group = std::span(result).subspan(begin, std::min(kGroup, x.size() - begin));
    if (text == "int8") {
      double largest = 0;
      for (const double value : group) largest = std::max(largest, std::abs(value));
      const double scale = largest / 127;
      for (double& value : group) value = scale * std::nearbyint(value / scale);
    } else if (text == "1bit") {
      double sums[2] = {}, counts[2] = {};
      for (const double value : group) {
        sums[value >= 0 ? 1 : 0] += value;
        counts[value >= 0 ? 1 : 0] += 1;
      }
      for (double& value : group) value = sums[value >= 0] / counts[value >= 0];
    }
  }
  return result;
}

class EncoderTest : public testing::TestWithParam<std::string> {};

TEST_P(EncoderTest, SendsWhatTheFormulasSay) {
  for (const size_t n : kSizes) {
    if (n > kBlock) continue;
    const std::vector<float> values = normal_values(n, n);
    const std::vector<float> read = decoded(GetParam(), n, encoded(GetParam(), values));
    const std::vector<double> expected = reference(GetParam(), values);
    for (size_t i = 0; i < n; ++i) {
      ASSERT_NEAR(read[i], expected[i], 1e-6 * std::abs(expected[i])) << i << " of " << n;
    }
  }
}

// To the bit: what the receiver got is what the sender took off.
TEST_P(EncoderTest, KeepsWhatTheReceiverDidNotGet) {
  for (const size_t n : kSizes) {
    const std::vector<float> values = normal_values(n, n), before = normal_values(n, n + 1);
    std::vector<float> residual = before;
    const std::vector<float> read = decoded(GetParam(), n, encoded(GetParam(), values, residual));
    for (size_t i = 0; i < n; ++i) {
      const float sum = before[i] + values[i];
      ASSERT_EQ(residual[i], sum - read[i]) << i << " of " << n;
    }
  }
}

TEST_P(EncoderTest, OverManyPushesNothingIsLost) {
  constexpr size_t kValues = kBlock + 777;
  constexpr int kPushes = 100;
  std::vector<float> residual(kValues);
  std::vector<double> wanted(kValues), got(kValues);
  double largest = 0;
  for (int push = 0; push < kPushes; ++push) {
    // With a direction, as updates have one.
    std::vector<float> values = normal_values(kValues, 100 + push);
    for (size_t i = 0; i < kValues; ++i) values[i] += static_cast<float>(i % 7) * 1e-4f;
    const std::vector<float> read =
        decoded(GetParam(), kValues, encoded(GetParam(), values, residual));
    for (size_t i = 0; i < kValues; ++i) {
      wanted[i] += values[i];
      got[i] += read[i];
      largest = std::max<double>(largest, std::abs(read[i]) + std::abs(residual[i]));
    }
  }
  for (size_t i = 0; i < kValues; ++i) {
    // Each push rounds a sum and a difference.
    ASSERT_NEAR(got[i] + residual[i], wanted[i], kPushes * largest * 0x1p-23) << i;
  }
}

TEST_P(EncoderTest, TakesOffAPartOfTheLength) {
  // What error feedback needs of a code (Karimireddy et al., 2019): |x - D(x)|^2 <= (1 - d) |x|^2.
  const auto squares = [](const std::vector<float>& x) {
    return std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
  };
  for (const size_t n : {size_t{1}, size_t{100}, 2 * kBlock}) {
    const std::vector<float> values = normal_values(n, 3);
    std::vector<float> residual(n);
    encoded(GetParam(), values, residual);
    EXPECT_LE(squares(residual), 0.995 * squares(values)) << n;
  }
}

TEST_P(EncoderTest, PartsAreCodedByThemselvesAtAnyAddress) {
  constexpr size_t kValues = 4 * kBlock + 5;
  const Compression compression = codec(GetParam());
  const std::vector<float> values = normal_values(kValues, 6);
  std::vector<float> whole(kValues), parts(kValues);
  const Bytes expected = encoded(GetParam(), values, whole);
  Bytes bytes(expected.size() + 1);
  for (const size_t begin : {3 * kBlock, size_t{0}}) {
    const size_t n = begin == 0 ? 3 * kBlock : kBlock + 5;
    encode(compression, std::span(values).subspan(begin, n), std::span(parts).subspan(begin, n),
           std::span(bytes).subspan(1 + encoded_bytes(compression, begin),
                                    encoded_bytes(compression, n)));
  }
  bytes.erase(bytes.begin());
  EXPECT_EQ(bytes, expected);
  EXPECT_EQ(bits(parts), bits(whole));
}

TEST_P(EncoderTest, ResidualsAreFiniteWhateverTheValues) {
  core::Rng rng(7);
  for (int round = 0; round < 20; ++round) {
    std::vector<float> values(700), residual(700);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = std::bit_cast<float>(static_cast<uint32_t>(rng.next()));
      residual[i] = 3e38f;
    }
    bool is_finite = true;
    for (size_t i = 0; i < values.size(); ++i) {
      is_finite = is_finite && std::isfinite(values[i] + residual[i]);
    }
    const std::vector<float> read =
        decoded(GetParam(), values.size(), encoded(GetParam(), values, residual));
    const auto finite = [](float x) { return std::isfinite(x); };
    ASSERT_TRUE(std::ranges::all_of(residual, finite));
    ASSERT_FALSE(is_finite);
    ASSERT_FALSE(std::ranges::all_of(read, finite)) << "nobody hears of it";
  }
}

TEST_P(EncoderTest, DenormalsAndZerosAreSentOrKept) {
  const float least = std::numeric_limits<float>::denorm_min();
  const std::vector<float> values = {0, least, -least, 1e-39f, -0.0f, 3 * least};
  std::vector<float> residual(values.size());
  const std::vector<float> read =
      decoded(GetParam(), values.size(), encoded(GetParam(), values, residual));
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(read[i] + residual[i], values[i]) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, EncoderTest, testing::ValuesIn(kCodecs), [](const auto& each) {
  std::string name = each.param;
  std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
  return name;
});

// The bytes are part of the protocol: the same from every compiler, for every instruction set, and
// in the builds of the sanitizers, whose loops are not vectorised.
TEST(EncodedBytesTest, AreTheSameEverywhere) {
  const auto hash = [](const std::string& text) {
    uint64_t result = 14695981039346656037u;  // FNV-1a
    std::vector<float> residual(3001);
    for (int push = 0; push < 3; ++push) {
      core::Rng rng(push);
      std::vector<float> values(residual.size());
      for (float& value : values) value = rng.uniform(-1, 1) * rng.uniform() * 1e-3f;
      for (const std::byte byte : encoded(text, values, residual)) {
        result = (result ^ static_cast<uint64_t>(byte)) * 1099511628211u;
      }
    }
    return result;
  };
  EXPECT_EQ(hash("none"), 16219923645490589648u);
  EXPECT_EQ(hash("fp16"), 2185041397308676009u);
  EXPECT_EQ(hash("bf16"), 4166865820437559459u);
  EXPECT_EQ(hash("int8"), 6271091741045726764u);
  EXPECT_EQ(hash("1bit"), 11903690719556666166u);
  EXPECT_EQ(hash("topk:0.01"), 17721189586053331274u);
  EXPECT_EQ(hash("topk:0.1"), 15851982388769704772u);
}

TEST(EncoderDeathTest, SizesMustFit) {
  std::vector<float> values(4), residual(3);
  Bytes bytes(8);
  EXPECT_DEATH(encode(codec("fp16"), values, residual, bytes), "4 values with 3 residuals");
  residual.push_back(0);
  EXPECT_DEATH(encode(codec("bf16"), values, residual, std::span(bytes).first(7)),
               "take 8 bytes, not 7");
}

}  // namespace
}  // namespace sluice::compression
