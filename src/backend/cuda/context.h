// What all operations of a replica share: streams, handles of the libraries, workspaces.
#pragma once

#include <memory>

#include "backend/cuda/device.h"
#include "backend/cuda/workspace.h"
#include "backend/replica.h"
#include "backend/type.h"

namespace sluice::backend::cuda {

// A stream with the handle and the workspace that only one operation at a time may use.
struct Lane {
  explicit Lane(Device& device);

  const Stream stream;
  const CudnnHandle cudnn;  // of that stream
  const std::unique_ptr<Workspace> workspace;
};

struct Context {
  Context(std::shared_ptr<Device> device, Precision precision, bool deterministic);

  // In what arithmetic factors of `type` are multiplied. The precision decides for float32;
  // bfloat16 always uses the tensor cores.
  cudnnMathType_t math_type(Type type) const;
  cublasComputeType_t compute_type(Type type) const;

  const std::shared_ptr<Device> device;
  const Precision precision;
  const bool deterministic;
  const CublasLtHandle cublaslt;
  const Lane main;  // every operation, in order
  // For work beside `main`, between fork() and join(): the kernels of small batches leave most of a
  // GPU idle.
  const Lane side;

  // What is put on `side` from here on comes after what is on `main`.
  void fork() const;
  // What is put on `main` from here on comes after what is on `side`.
  void join() const;

 private:
  const Event forked_, joined_;
};

cudnnDataType_t cudnn_type(Type type);
cudaDataType_t cuda_type(Type type);

}  // namespace sluice::backend::cuda
