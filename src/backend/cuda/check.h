// Every call of CUDA's libraries is checked: SLUICE_CHECKED(cudaMalloc(&p, n)) throws.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>
#include <cudnn.h>

#include <stdexcept>
#include <string>

namespace sluice::backend::cuda {

// "cudaMalloc(&p, n): out of memory (cudaErrorMemoryAllocation)".
class CudaError final : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

void check(cudaError_t status, const char* call);
void check(cudnnStatus_t status, const char* call);
void check(cublasStatus_t status, const char* call);

#define SLUICE_CHECKED(call) ::sluice::backend::cuda::check((call), #call)

}  // namespace sluice::backend::cuda
