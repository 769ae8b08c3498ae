#include <cstring>

#include "testing/fixture.h"

namespace sluice::emulator::testing {
namespace {

TEST(DeviceTest, TheNumberOfDevicesIsTheEnvironments) {
  int count = -1;
  EXPECT_CUDA(cudaGetDeviceCount(&count));
  EXPECT_EQ(count, 1);
  EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
  const Environment environment("SLUICE_EMULATED_GPUS", "2");
  EXPECT_CUDA(cudaGetDeviceCount(&count));
  EXPECT_EQ(count, 2);
  EXPECT_CUDA(cudaSetDevice(1));
  int device = -1;
  EXPECT_CUDA(cudaGetDevice(&device));
  EXPECT_EQ(device, 1);
  EXPECT_CUDA(cudaSetDevice(0));
  cudaGetLastError();
}

TEST(DeviceTest, WithoutDevicesEveryCallSaysSo) {
  const Environment environment("SLUICE_EMULATED_GPUS", "0");
  int count = -1;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  EXPECT_EQ(count, -1);  // unchanged
  void* pointer = nullptr;
  EXPECT_EQ(cudaMalloc(&pointer, 4), cudaErrorNoDevice);
  cudaGetLastError();
}

TEST(DeviceTest, WithoutADriverItsVersionIsZero) {
  const Environment environment("SLUICE_EMULATED_GPUS", "no-driver");
  int count = -1, version = -1;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  EXPECT_CUDA(cudaDriverGetVersion(&version));
  EXPECT_EQ(version, 0);
  EXPECT_CUDA(cudaRuntimeGetVersion(&version));
  EXPECT_EQ(version, CUDART_VERSION);
  cudaGetLastError();
}

TEST(DeviceTest, PropertiesAndAttributesAgree) {
  const Environment environment("SLUICE_EMULATED_ARCH", "8.6");
  cudaDeviceProp properties;
  ASSERT_CUDA(cudaGetDeviceProperties(&properties, 0));
  EXPECT_STREQ(properties.name, "Emulated GPU");
  EXPECT_EQ(properties.major, 8);
  EXPECT_EQ(properties.totalGlobalMem, size_t{8192} << 20);
  int minor = -1, processors = -1;
  ASSERT_CUDA(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0));
  ASSERT_CUDA(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0));
  EXPECT_EQ(minor, 6);
  EXPECT_EQ(processors, properties.multiProcessorCount);
}

TEST(DeviceTest, FunctionAttributesNeedAKernelImage) {
  const auto* const function = reinterpret_cast<const void*>(&std::memcpy);
  cudaFuncAttributes attributes;
  EXPECT_CUDA(cudaFuncGetAttributes(&attributes, function));
  const Environment environment("SLUICE_EMULATED_ARCH", "unsupported");
  EXPECT_EQ(cudaFuncGetAttributes(&attributes, function), cudaErrorNoKernelImageForDevice);
  cudaGetLastError();
}

TEST(DeviceTest, ErrorsAreNamedAndRemembered) {
  EXPECT_STREQ(cudaGetErrorName(cudaErrorMemoryAllocation), "cudaErrorMemoryAllocation");
  EXPECT_STREQ(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory");
  EXPECT_STREQ(cudaGetErrorName(static_cast<cudaError_t>(12345)), "unrecognized error code");
  EXPECT_EQ(cudaSetDevice(99), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaPeekAtLastError(), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST(DeviceTest, DevicesHaveMemoryOfTheirOwn) {
  const Environment environment("SLUICE_EMULATED_GPUS", "2");
  void* pointer = nullptr;
  ASSERT_CUDA(cudaSetDevice(1));
  ASSERT_CUDA(cudaMalloc(&pointer, 4096));
  size_t free = 0, total = 0;
  ASSERT_CUDA(cudaMemGetInfo(&free, &total));
  EXPECT_EQ(total - free, 4096u);
  ASSERT_CUDA(cudaSetDevice(0));
  ASSERT_CUDA(cudaMemGetInfo(&free, &total));
  EXPECT_EQ(total, free);
  ASSERT_CUDA(cudaFree(pointer));
}

}  // namespace
}  // namespace sluice::emulator::testing
