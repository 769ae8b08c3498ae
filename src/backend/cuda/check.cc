#include "backend/cuda/check.h"

#include <fmt/core.h>

namespace sluice::backend::cuda {
namespace {

[[noreturn]] void fail(const char* call, const std::string& what, const std::string& name) {
  std::string text(call);
  if (const size_t arguments = text.find('('); arguments != std::string::npos) {
    text.resize(arguments);
  }
  throw CudaError(fmt::format("{}: {} ({})", text, what, name));
}

}  // namespace

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // what is told is not told again by the next call
  fail(call, cudaGetErrorString(status), cudaGetErrorName(status));
}

void check(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char detail[512] = "";
  cudnnGetLastErrorString(detail, sizeof(detail));
  fail(call, detail[0] != '\0' ? detail : "cuDNN failed", cudnnGetErrorString(status));
}

void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail(call, cublasLtGetStatusString(status), cublasLtGetStatusName(status));
}

}  // namespace sluice::backend::cuda
