#include <numeric>
#include <set>

#include "testing/fixture.h"
#include "testing/kernels.h"

namespace sluice::emulator::testing {
namespace {

class KernelTest : public EmulatorTest {};
using KernelDeathTest = KernelTest;

std::vector<float> counting(int count) {
  std::vector<float> x(count);
  std::iota(x.begin(), x.end(), 1.0f);
  return x;
}

TEST_F(KernelTest, EveryThreadOfAGridRunsOnce) {
  const DeviceArray<float> x(counting(1000)), y(1000);
  ASSERT_CUDA(scale(x.data(), y.data(), 1000, 2.0f, stream_));
  const std::vector<float> result = y.values();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(result[i], 2.0f * (i + 1));
}

TEST_F(KernelTest, CoordinatesAreThoseOfCuda) {
  const DeviceArray<int> y(kCoordinateThreads);
  ASSERT_CUDA(coordinates(y.data(), stream_));
  const std::vector<int> result = y.values();
  for (int i = 0; i < kCoordinateThreads; ++i) ASSERT_EQ(result[i], 1000 * (i / 24) + i % 24);
}

TEST_F(KernelTest, BarriersOrderSharedMemory) {
  const DeviceArray<float> x(counting(1000)), sum({0.0f});
  ASSERT_CUDA(sum_by_barriers(x.data(), sum.data(), 1000, stream_));
  EXPECT_EQ(sum.values()[0], 500500.0f);
}

TEST_F(KernelTest, ShufflesSumWarpsAndBlocks) {
  const DeviceArray<float> x(counting(1000)), sum({0.0f});
  ASSERT_CUDA(sum_by_shuffles(x.data(), sum.data(), 1000, stream_));
  EXPECT_EQ(sum.values()[0], 500500.0f);
}

TEST_F(KernelTest, AMissingBarrierShows) {
  for (int launch = 0; launch < 4; ++launch) {
    std::vector<int> x(64), turned(64);
    for (int i = 0; i < 64; ++i) turned[63 - i] = x[i] = 100 * launch + i;
    const DeviceArray<int> right(x), wrong(x);
    ASSERT_CUDA(reverse(right.data(), stream_));
    ASSERT_CUDA(reverse_without_barrier(wrong.data(), stream_));
    EXPECT_EQ(right.values(), turned);
    EXPECT_NE(wrong.values(), turned);
  }
}

TEST_F(KernelTest, EitherEndOfABlockMayRunFirst) {
  std::set<unsigned> seen;
  for (int launch = 0; launch < 4; ++launch) {
    const DeviceArray<unsigned> first(1);
    ASSERT_CUDA(first_thread(first.data(), stream_));
    seen.insert(first.values()[0]);
  }
  EXPECT_EQ(seen, (std::set<unsigned>{0, 31}));
}

TEST_F(KernelTest, WarpOperationsAreThoseOfCuda) {
  const DeviceArray<int> y(32 * kWarpResults);
  ASSERT_CUDA(warp_operations(y.data(), stream_));
  const std::vector<int> result = y.values();
  for (int lane = 0; lane < 32; ++lane) {
    const int* const out = &result[lane * kWarpResults];
    EXPECT_EQ(out[0], 50);
    EXPECT_EQ(out[1], lane / 8 * 8 + 1);
    EXPECT_EQ(out[2], lane < 3 ? lane : lane - 3);
    EXPECT_EQ(out[3], lane % 16 >= 14 ? lane : lane + 2);
    EXPECT_EQ(out[4], lane ^ 1);
    EXPECT_EQ(out[5], 1);
    EXPECT_EQ(static_cast<unsigned>(out[6]), 0x55555555u);
    EXPECT_EQ(out[7], 1);
    EXPECT_EQ(out[8], 0);
    EXPECT_EQ(out[9], lane < 16 ? 120 : 376);
  }
}

TEST_F(KernelTest, ReturnedLanesAreNotWaitedFor) {
  for (int launch = 0; launch < 3; ++launch) {  // they return before the others wait, and after
    const DeviceArray<unsigned> y(1);
    ASSERT_CUDA(ballot_after_return(y.data(), stream_));
    EXPECT_EQ(y.values()[0], 0x0000ffffu);
  }
}

TEST_F(KernelTest, AtomicsCountAllThreads) {
  const DeviceArray<unsigned> x({0u});
  ASSERT_CUDA(count_threads(x.data(), dim3(3, 5, 2), dim3(32, 4, 2), stream_));
  EXPECT_EQ(x.values()[0], 30u * 256u);
}

TEST_F(KernelTest, Bfloat16RoundsToNearestEven) {
  const std::vector<float> x = {1.0f, 1.00390625f, 1.01171875f, -3.14159f};
  const DeviceArray<float> from(x);
  const DeviceArray<unsigned short> to(x.size());
  ASSERT_CUDA(to_bfloat16(from.data(), to.data(), static_cast<int>(x.size()), stream_));
  EXPECT_EQ(to.values(), (std::vector<unsigned short>{0x3f80, 0x3f80, 0x3f82, 0xc049}));
}

TEST_F(KernelTest, ConfigurationsThatNoDeviceHasAreRefused) {
  EXPECT_EQ(nothing(1, 1025, 0, stream_), cudaErrorInvalidConfiguration);
  EXPECT_EQ(nothing(1, dim3(32, 33), 0, stream_), cudaErrorInvalidConfiguration);
  EXPECT_EQ(nothing(1, dim3(1, 1, 65), 0, stream_), cudaErrorInvalidConfiguration);
  EXPECT_EQ(nothing(0, 32, 0, stream_), cudaErrorInvalidConfiguration);
  EXPECT_EQ(nothing(1, 0, 0, stream_), cudaErrorInvalidConfiguration);
  EXPECT_EQ(nothing(dim3(1, 65536), 1, 0, stream_), cudaErrorInvalidConfiguration);
  EXPECT_EQ(nothing(1, 32, 1 << 20, stream_), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_CUDA(nothing(65536, 1, 0, stream_));
  EXPECT_CUDA(nothing(1, 1024, 48 << 10, stream_));
}

TEST_F(KernelTest, UnsupportedArchitectureHasNoKernelImage) {
  const Environment environment("SLUICE_EMULATED_ARCH", "unsupported");
  EXPECT_EQ(nothing(1, 1, 0, stream_), cudaErrorNoKernelImageForDevice);
}

TEST_F(KernelDeathTest, BarrierThatAThreadDoesNotReachAborts) {
  EXPECT_DEATH(
      {
        (void)barrier_of_some(stream_);
        (void)cudaStreamSynchronize(stream_);
      },
      "__syncthreads: .* 7 threads wait, but 1 of 8 have returned");
}

TEST_F(KernelDeathTest, ShuffleThatALaneDoesNotReachAborts) {
  EXPECT_DEATH(
      {
        (void)shuffle_of_some(stream_);
        (void)cudaStreamSynchronize(stream_);
      },
      "__shfl_xor_sync with mask 0xffffffff: .* waits for lanes 0x0000000f, .* __syncthreads");
}

TEST_F(KernelDeathTest, ShuffleOutsideOfItsOwnMaskAborts) {
  EXPECT_DEATH(
      {
        (void)shuffle_outside_of_mask(stream_);
        (void)cudaStreamSynchronize(stream_);
      },
      "__shfl_sync with mask 0x00000001: .* its own lane is not in the mask");
}

TEST_F(KernelDeathTest, ShuffleFromALaneThatReturnedAborts) {
  EXPECT_DEATH(
      {
        (void)shuffle_from_returned_lane(stream_);
        (void)cudaStreamSynchronize(stream_);
      },
      "asks for the value of lane 0, which takes no part");
}

}  // namespace
}  // namespace sluice::emulator::testing
