#include <cmath>

#include "testing/fixture.h"
#include "testing/kernels.h"

namespace sluice::emulator::testing {
namespace {

class MemoryTest : public EmulatorTest {};

TEST_F(MemoryTest, NewMemoryIsPoisonAsFloatAndAsBfloat16) {
  const DeviceArray<float> x(4);
  EXPECT_TRUE(std::isnan(x.values_now()[3]));
  const DeviceArray<unsigned short> y(4);
  EXPECT_EQ(y.values_now()[3], 0xFFFF);
}

TEST_F(MemoryTest, CopiesCheckWhatTheirPointersAre) {
  const DeviceArray<float> device(4);
  const PinnedArray<float> host({1.0f, 2.0f, 3.0f, 4.0f});
  EXPECT_EQ(cudaMemcpyAsync(host.data(), device.data(), 16, cudaMemcpyHostToDevice, stream_),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(device.data(), host.data(), 20, cudaMemcpyHostToDevice, stream_),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(device.data() + 1, host.data(), 16, cudaMemcpyDefault, stream_),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(host.data(), host.data(), 16, cudaMemcpyDeviceToDevice, stream_),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(host.data(), 0, 16, stream_), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(nullptr, device.data(), 4, cudaMemcpyDeviceToHost, stream_),
            cudaErrorInvalidValue);
  EXPECT_CUDA(cudaMemcpyAsync(device.data(), host.data(), 16, cudaMemcpyDefault, stream_));
  EXPECT_EQ(device.values()[3], 4.0f);
}

TEST_F(MemoryTest, RowsAreCopiedWithTheirPitches) {
  const PinnedArray<float> host({1, 2, 3, 4, 5, 6});
  const DeviceArray<float> device(std::vector<float>(8, 0.0f));
  ASSERT_CUDA(
      cudaMemcpy2DAsync(device.data(), 16, host.data(), 12, 8, 2, cudaMemcpyHostToDevice, stream_));
  EXPECT_EQ(device.values(), (std::vector<float>{1, 2, 0, 0, 4, 5, 0, 0}));
  EXPECT_EQ(
      cudaMemcpy2DAsync(device.data(), 4, host.data(), 12, 8, 2, cudaMemcpyHostToDevice, stream_),
      cudaErrorInvalidValue);
}

TEST_F(MemoryTest, BytesAreCountedPerDirection) {
  const PinnedArray<float> host({1.0f, 2.0f});
  const DeviceArray<float> device(2);
  const Counters before = counters();
  ASSERT_CUDA(cudaMemcpy(device.data(), host.data(), 8, cudaMemcpyHostToDevice));
  ASSERT_CUDA(cudaMemcpy(host.data(), device.data(), 4, cudaMemcpyDeviceToHost));
  EXPECT_EQ(counters().bytes_to_device - before.bytes_to_device, 8);
  EXPECT_EQ(counters().bytes_to_host - before.bytes_to_host, 4);
}

TEST_F(MemoryTest, ADeviceHasNoMoreThanItsMemory) {
  const Environment environment("SLUICE_EMULATED_MEMORY", "1");
  void *first = nullptr, *second = nullptr;
  ASSERT_CUDA(cudaMalloc(&first, 768 << 10));
  size_t free = 0, total = 0;
  ASSERT_CUDA(cudaMemGetInfo(&free, &total));
  EXPECT_EQ(total, size_t{1} << 20);
  EXPECT_EQ(free, size_t{256} << 10);
  EXPECT_EQ(cudaMalloc(&second, 512 << 10), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  ASSERT_CUDA(cudaFree(first));
  ASSERT_CUDA(cudaMalloc(&second, 512 << 10));
  ASSERT_CUDA(cudaFree(second));
}

TEST_F(MemoryTest, FreeRunsWhatStillUsesTheMemory) {
  const DeviceArray<float> y(1);
  void* pointer = nullptr;
  ASSERT_CUDA(cudaMalloc(&pointer, 4));
  ASSERT_CUDA(cudaMemset(pointer, 0, 4));
  ASSERT_CUDA(scale(static_cast<float*>(pointer), y.data(), 1, 2.0f, stream_));
  ASSERT_CUDA(cudaFree(pointer));
  EXPECT_EQ(y.values_now()[0], 0.0f);
  EXPECT_EQ(cudaFree(pointer), cudaErrorInvalidValue);
  EXPECT_CUDA(cudaFree(nullptr));
}

TEST_F(MemoryTest, APoolHasNoMoreThanItsSizeAndFreesInStreamOrder) {
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location = {cudaMemLocationTypeDevice, 0};
  properties.maxSize = 1000;
  cudaMemPool_t pool = nullptr;
  ASSERT_CUDA(cudaMemPoolCreate(&pool, &properties));
  uint64_t threshold = UINT64_MAX;
  EXPECT_CUDA(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
  void *first = nullptr, *second = nullptr;
  ASSERT_CUDA(cudaMallocFromPoolAsync(&first, 600, pool, stream_));
  EXPECT_EQ(cudaMallocFromPoolAsync(&second, 600, pool, stream_), cudaErrorMemoryAllocation);
  ASSERT_CUDA(cudaFreeAsync(first, stream_));
  EXPECT_EQ(cudaFreeAsync(first, stream_), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(first, 0, 4, stream_), cudaErrorInvalidValue);
  ASSERT_CUDA(cudaMallocFromPoolAsync(&second, 600, pool, stream_));
  ASSERT_CUDA(cudaFreeAsync(second, stream_));
  ASSERT_CUDA(cudaMemPoolDestroy(pool));
}

TEST_F(MemoryTest, TheDefaultPoolAllocatesToo) {
  cudaMemPool_t pool = nullptr;
  ASSERT_CUDA(cudaDeviceGetDefaultMemPool(&pool, 0));
  void* pointer = nullptr;
  ASSERT_CUDA(cudaMallocAsync(&pointer, 64, stream_));
  EXPECT_GE(counters().device_bytes_in_use, 64);
  ASSERT_CUDA(cudaFreeAsync(pointer, stream_));
  EXPECT_EQ(cudaMemPoolDestroy(pool), cudaErrorInvalidValue);
  EXPECT_EQ(cudaDeviceGetDefaultMemPool(&pool, 7), cudaErrorInvalidDevice);
}

TEST_F(MemoryTest, RegisteredMemoryIsPinned) {
  std::vector<float> host(4, 1.0f);
  const DeviceArray<float> device(4);
  ASSERT_CUDA(cudaHostRegister(host.data(), 16, cudaHostRegisterDefault));
  EXPECT_EQ(cudaHostRegister(host.data(), 16, cudaHostRegisterDefault),
            cudaErrorHostMemoryAlreadyRegistered);
  const int64_t before = counters().unpinned_copies;
  ASSERT_CUDA(cudaMemcpyAsync(device.data(), host.data(), 16, cudaMemcpyHostToDevice, stream_));
  EXPECT_EQ(counters().unpinned_copies, before);
  ASSERT_CUDA(cudaHostUnregister(host.data()));
  EXPECT_EQ(cudaHostUnregister(host.data()), cudaErrorHostMemoryNotRegistered);
}

TEST_F(MemoryTest, FailuresHappenWhereATestAsksForThem) {
  fail_next("cudaMalloc", cudaErrorMemoryAllocation, 1);
  void *first = nullptr, *second = nullptr;
  EXPECT_CUDA(cudaMalloc(&first, 16));
  EXPECT_EQ(cudaMalloc(&second, 16), cudaErrorMemoryAllocation);
  EXPECT_CUDA(cudaMalloc(&second, 16));
  EXPECT_CUDA(cudaFree(first));
  EXPECT_CUDA(cudaFree(second));
  fail_next("launch", cudaErrorLaunchFailure);
  EXPECT_EQ(nothing(1, 1, 0, stream_), cudaErrorLaunchFailure);
  EXPECT_CUDA(nothing(1, 1, 0, stream_));
}

}  // namespace
}  // namespace sluice::emulator::testing
