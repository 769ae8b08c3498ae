// cuBLASLt's handles, heuristic and product.
#include <algorithm>
#include <cstring>

#include "cublaslt/product.h"

namespace sluice::emulator::cublaslt {
namespace {

constexpr uint64_t kWorkspace = 4096;

// What a cublasLtMatmulAlgo_t holds.
struct Algorithm {
  uint64_t fingerprint;
  uint64_t workspace;
};
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t));

// The algorithm of a heuristic for this very product; without one, an algorithm without workspace.
cublasStatus_t find_algorithm(const cublasLtMatmulAlgo_t* algo, const Product& product,
                              Algorithm* found) {
  *found = {fingerprint(product), 0};
  if (algo == nullptr) return CUBLAS_STATUS_SUCCESS;
  std::memcpy(found, algo, sizeof *found);
  return found->fingerprint == fingerprint(product) ? CUBLAS_STATUS_SUCCESS
                                                    : CUBLAS_STATUS_INVALID_VALUE;
}

bool on_device(const void* data, const MatrixLayout& layout) {
  return state().memory.on_device(data, extent(layout) * size_of(number_of(layout)));
}

bool operands_on_device(const Product& p, const Operands& o) {
  return on_device(o.a, p.a) && on_device(o.b, p.b) && on_device(o.d, p.d) &&
         (o.beta == 0.0f || on_device(o.c, p.c));
}

struct StatusText {
  const char* name;
  const char* text;
};

StatusText text_of(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return {"CUBLAS_STATUS_SUCCESS", "success"};
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return {"CUBLAS_STATUS_NOT_INITIALIZED", "the library was not initialized"};
    case CUBLAS_STATUS_ALLOC_FAILED:
      return {"CUBLAS_STATUS_ALLOC_FAILED", "the resource allocation failed"};
    case CUBLAS_STATUS_INVALID_VALUE:
      return {"CUBLAS_STATUS_INVALID_VALUE",
              "an unsupported value or parameter was passed to the function"};
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return {"CUBLAS_STATUS_EXECUTION_FAILED", "the function failed to launch on the GPU"};
    case CUBLAS_STATUS_INTERNAL_ERROR:
      return {"CUBLAS_STATUS_INTERNAL_ERROR", "an internal operation failed"};
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return {"CUBLAS_STATUS_NOT_SUPPORTED", "the requested functionality is not supported"};
    default:
      return {"unrecognized status", "unrecognized status"};
  }
}

}  // namespace
}  // namespace sluice::emulator::cublaslt

using namespace sluice::emulator;
using namespace sluice::emulator::cublaslt;

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return library_call<cublasStatus_t>(__func__, [&] {
    if (check_device() != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
    return create(contexts(), handle) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
  });
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return library_call<cublasStatus_t>(__func__, [&] {
    return destroy(contexts(), handle) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
  });
}

size_t cublasLtGetVersion() { return CUBLAS_VERSION; }
size_t cublasLtGetCudartVersion() { return CUDART_VERSION; }

const char* cublasLtGetStatusName(cublasStatus_t status) { return text_of(status).name; }
const char* cublasLtGetStatusString(cublasStatus_t status) { return text_of(status).text; }

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* returned) {
  return library_call<cublasStatus_t>(__func__, [&] {
    if (contexts().find(handle) == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (requested < 1 || results == nullptr || returned == nullptr || find(preference) == nullptr) {
      return CUBLAS_STATUS_INVALID_VALUE;
    }
    *returned = 0;
    Product product;
    const auto status = find_product(desc, a, b, c, d, Pointers::kIgnored, &product);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    const uint64_t workspace = std::min(find(preference)->max_workspace, kWorkspace);
    // One with a workspace and one without.
    for (const uint64_t bytes : {workspace, uint64_t{0}}) {
      if (*returned == requested) break;
      const Algorithm algorithm{fingerprint(product), bytes};
      cublasLtMatmulHeuristicResult_t& result = results[(*returned)++];
      result = {};
      std::memcpy(&result.algo, &algorithm, sizeof algorithm);
      result.workspaceSize = bytes;
      result.state = CUBLAS_STATUS_SUCCESS;
      result.wavesCount = 1.0f;
    }
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algo,
                              void* workspace_data, size_t workspace_bytes, cudaStream_t stream) {
  return library_call<cublasStatus_t>(__func__, [&] {
    if (contexts().find(handle) == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (alpha == nullptr || beta == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    Product product;
    auto status =
        find_product(desc, a_layout, b_layout, c_layout, d_layout, Pointers::kNeeded, &product);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    const Operands operands{
        *static_cast<const float*>(alpha), *static_cast<const float*>(beta), a, b, c, d};
    if (!operands_on_device(product, operands)) return CUBLAS_STATUS_INVALID_VALUE;
    Algorithm algorithm;
    status = find_algorithm(algo, product, &algorithm);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    const Workspace workspace{workspace_data, workspace_bytes, algorithm.workspace};
    if (!workspace.suffices()) return CUBLAS_STATUS_INVALID_VALUE;
    const cudaError_t error = enqueue_library_call(stream, [product, operands, workspace] {
      workspace.scribble();
      multiply(product, operands);
    });
    return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
  });
}
