// cuDNN's handles, versions and errors.
#include <algorithm>
#include <cstring>
#include <string>

#include "cudnn/descriptors.h"

namespace sluice::emulator::cudnn {
namespace {

thread_local std::string last_reason;

template <typename Body>
cudnnStatus_t with_context(const char* function, cudnnHandle_t handle, const Body& body) {
  return library_call<cudnnStatus_t>(function, [&] {
    const std::shared_ptr<Context> context = tables().contexts.find(handle);
    if (context == nullptr) return bad_param("not a handle");
    return body(*context);
  });
}

}  // namespace

cudnnStatus_t refuse(cudnnStatus_t status, const char* reason) {
  last_reason = reason;
  return status;
}

}  // namespace sluice::emulator::cudnn

using namespace sluice::emulator;
using namespace sluice::emulator::cudnn;

size_t cudnnGetVersion() { return CUDNN_VERSION; }
size_t cudnnGetCudartVersion() { return CUDART_VERSION; }

const char* cudnnGetErrorString(cudnnStatus_t status) {
  switch (status) {
    case CUDNN_STATUS_SUCCESS:
      return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_NOT_INITIALIZED:
      return "CUDNN_STATUS_NOT_INITIALIZED";
    case CUDNN_STATUS_BAD_PARAM:
      return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_NOT_SUPPORTED:
      return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_INTERNAL_ERROR:
      return "CUDNN_STATUS_INTERNAL_ERROR";
    case CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED:
      return "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED";
    case CUDNN_STATUS_EXECUTION_FAILED:
      return "CUDNN_STATUS_EXECUTION_FAILED";
    case CUDNN_STATUS_EXECUTION_FAILED_CUDART:
      return "CUDNN_STATUS_EXECUTION_FAILED_CUDART";
    default:
      return "CUDNN_UNKNOWN_STATUS";
  }
}

void cudnnGetLastErrorString(char* message, size_t max_size) {
  if (message == nullptr || max_size == 0) return;
  const size_t size = std::min(last_reason.size(), max_size - 1);
  std::memcpy(message, last_reason.data(), size);
  message[size] = '\0';
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  return library_call<cudnnStatus_t>(__func__, [&] {
    if (check_device() != cudaSuccess) {
      return refuse(CUDNN_STATUS_NOT_INITIALIZED, "no device or no driver");
    }
    if (const cudaError_t error = check_no_capture(); error != cudaSuccess) {
      return refuse(CUDNN_STATUS_EXECUTION_FAILED_CUDART, "a stream captures");
    }
    return create(tables().contexts, handle) ? CUDNN_STATUS_SUCCESS : bad_param("no handle");
  });
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  return library_call<cudnnStatus_t>(__func__, [&] {
    if (handle == nullptr || destroy(tables().contexts, handle)) return CUDNN_STATUS_SUCCESS;
    return bad_param("not a handle");
  });
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  return with_context(__func__, handle, [&](Context& context) {
    if (find_stream(stream) == nullptr) return bad_param("not a stream");
    context.stream = stream;
    return CUDNN_STATUS_SUCCESS;
  });
}

cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t* stream) {
  return with_context(__func__, handle, [&](Context& context) {
    if (stream == nullptr) return bad_param("no place for the stream");
    *stream = context.stream;
    return CUDNN_STATUS_SUCCESS;
  });
}
