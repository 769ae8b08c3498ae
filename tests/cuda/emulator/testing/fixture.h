// What the emulator's tests share: arrays in device memory, and a stream.
#pragma once

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

#include "emulator.h"

#define ASSERT_CUDA(call) ASSERT_EQ(call, cudaSuccess)
#define EXPECT_CUDA(call) EXPECT_EQ(call, cudaSuccess)

namespace sluice::emulator::testing {

// Device memory that holds `values`, or poison.
template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t size) : size_(size) {
    void* data = nullptr;
    EXPECT_CUDA(cudaMalloc(&data, size * sizeof(T)));
    data_ = static_cast<T*>(data);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    EXPECT_CUDA(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  DeviceArray(std::initializer_list<T> values) : DeviceArray(std::vector<T>(values)) {}
  ~DeviceArray() { EXPECT_CUDA(cudaFree(data_)); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  size_t bytes() const { return size_ * sizeof(T); }

  // As it is when all that is queued has run.
  std::vector<T> values() const {
    EXPECT_CUDA(cudaDeviceSynchronize());
    return values_now();
  }
  // As it is if nothing but what other streams are asked for has run: the emulator's device memory
  // is readable.
  std::vector<T> values_now() const { return std::vector<T>(data_, data_ + size_); }

 private:
  size_t size_;
  T* data_ = nullptr;
};

template <typename T>
class PinnedArray {
 public:
  explicit PinnedArray(const std::vector<T>& values) : size_(values.size()) {
    void* data = nullptr;
    EXPECT_CUDA(cudaHostAlloc(&data, size_ * sizeof(T), cudaHostAllocDefault));
    data_ = static_cast<T*>(data);
    for (size_t i = 0; i < size_; ++i) data_[i] = values[i];
  }
  ~PinnedArray() { EXPECT_CUDA(cudaFreeHost(data_)); }
  PinnedArray(const PinnedArray&) = delete;
  PinnedArray& operator=(const PinnedArray&) = delete;

  T* data() const { return data_; }
  T& operator[](size_t i) const { return data_[i]; }
  size_t bytes() const { return size_ * sizeof(T); }

 private:
  size_t size_;
  T* data_ = nullptr;
};

// Sets an environment variable for as long as it lives.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Environment() { unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

// Two streams, and no handle or memory left over.
class EmulatorTest : public ::testing::Test {
 protected:
  EmulatorTest() : before_(counters()) {
    EXPECT_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    EXPECT_CUDA(cudaStreamCreateWithFlags(&other_, cudaStreamNonBlocking));
  }
  ~EmulatorTest() override {
    EXPECT_CUDA(cudaDeviceSynchronize());
    EXPECT_CUDA(cudaStreamDestroy(stream_));
    EXPECT_CUDA(cudaStreamDestroy(other_));
    EXPECT_EQ(counters().handles_in_use, before_.handles_in_use);
    EXPECT_EQ(counters().device_bytes_in_use, before_.device_bytes_in_use);
    forget_failures();
    cudaGetLastError();
  }

  const Counters before_;
  cudaStream_t stream_ = nullptr;
  cudaStream_t other_ = nullptr;
};

}  // namespace sluice::emulator::testing
