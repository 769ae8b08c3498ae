#include "backend/cuda/context.h"

namespace sluice::backend::cuda {
namespace {

const std::shared_ptr<Device>& used(const std::shared_ptr<Device>& device) {
  device->use();
  return device;
}

}  // namespace

Lane::Lane(Device& device)
    : stream(make_stream()),
      cudnn(made<CudnnHandle>(cudnnCreate)),
      workspace(std::make_unique<Workspace>(device)) {
  SLUICE_CHECKED(cudnnSetStream(cudnn.get(), stream.get()));
}

Context::Context(std::shared_ptr<Device> gpu, Precision numbers, bool same_bits)
    : device(used(gpu)),
      precision(numbers),
      deterministic(same_bits),
      cublaslt(made<CublasLtHandle>(cublasLtCreate)),
      main(*device),
      side(*device),
      forked_(make_event()),
      joined_(make_event()) {}

void Context::fork() const {
  SLUICE_CHECKED(cudaEventRecord(forked_.get(), main.stream.get()));
  SLUICE_CHECKED(cudaStreamWaitEvent(side.stream.get(), forked_.get(), 0));
}

void Context::join() const {
  SLUICE_CHECKED(cudaEventRecord(joined_.get(), side.stream.get()));
  SLUICE_CHECKED(cudaStreamWaitEvent(main.stream.get(), joined_.get(), 0));
}

cudnnMathType_t Context::math_type(Type type) const {
  if (type == Type::kBfloat16) return CUDNN_TENSOR_OP_MATH;
  return precision == Precision::kTf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH;
}

cublasComputeType_t Context::compute_type(Type type) const {
  const bool tf32 = type == Type::kFloat32 && precision == Precision::kTf32;
  return tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

cudnnDataType_t cudnn_type(Type type) {
  return type == Type::kFloat32 ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16;
}

cudaDataType_t cuda_type(Type type) { return type == Type::kFloat32 ? CUDA_R_32F : CUDA_R_16BF; }

}  // namespace sluice::backend::cuda
