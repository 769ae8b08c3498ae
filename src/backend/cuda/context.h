// What all operations of a replica share: the stream they run on, the libraries, the workspace.
#pragma once

#include <memory>

#include "backend/cuda/data_type.h"
#include "backend/cuda/device.h"
#include "backend/cuda/workspace.h"
#include "backend/replica.h"

namespace sluice::backend::cuda {

struct Context {
  Context(std::shared_ptr<Device> device, Precision precision, bool deterministic);

  // In what arithmetic factors of `type` are multiplied. The precision decides for float32;
  // bfloat16 always uses the tensor cores.
  cudnnMathType_t math_type(DataType type) const;
  cublasComputeType_t compute_type(DataType type) const;

  const std::shared_ptr<Device> device;
  const Precision precision;
  const bool deterministic;
  const Stream compute;  // every operation, in order
  const CudnnHandle cudnn;
  const CublasLtHandle cublaslt;
  const std::unique_ptr<Workspace> workspace;
};

cudnnDataType_t cudnn_type(DataType type);
cudaDataType_t cuda_type(DataType type);

}  // namespace sluice::backend::cuda
