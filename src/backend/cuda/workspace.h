// Scratch memory on the device for one operation at a time. It grows while operations are prepared.
#pragma once

#include <vector>

#include "backend/cuda/device.h"

namespace sluice::backend::cuda {

class Workspace {
 public:
  explicit Workspace(Device& device) : device_(device) {}

  void* data() const { return arrays_.empty() ? nullptr : arrays_.back().data(); }
  size_t size() const { return arrays_.empty() ? 0 : arrays_.back().size(); }

  // Makes size() at least `bytes`. Throws CudaError where the device has no more.
  void reserve(size_t bytes) {
    if (bytes > size()) arrays_.emplace_back(device_, bytes);
  }

 private:
  Device& device_;
  // One that has become too small stays for the graphs that have captured it.
  std::vector<DeviceArray<char>> arrays_;
};

}  // namespace sluice::backend::cuda
