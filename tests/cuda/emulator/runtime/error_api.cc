// Names and texts of errors, as the real runtime's.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <iterator>

namespace {

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};

#define SLUICE_ERROR(error, text) \
  { error, #error, text }

constexpr ErrorText kErrors[] = {
    SLUICE_ERROR(cudaSuccess, "no error"),
    SLUICE_ERROR(cudaErrorInvalidValue, "invalid argument"),
    SLUICE_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    SLUICE_ERROR(cudaErrorInitializationError, "initialization error"),
    SLUICE_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    SLUICE_ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    SLUICE_ERROR(cudaErrorInsufficientDriver,
                 "CUDA driver version is insufficient for CUDA runtime version"),
    SLUICE_ERROR(cudaErrorMissingConfiguration, "__global__ function call is not configured"),
    SLUICE_ERROR(cudaErrorInvalidDeviceFunction, "invalid device function"),
    SLUICE_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    SLUICE_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    SLUICE_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    SLUICE_ERROR(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
    SLUICE_ERROR(cudaErrorNotReady, "device not ready"),
    SLUICE_ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    SLUICE_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    SLUICE_ERROR(cudaErrorLaunchTimeout, "the launch timed out and was terminated"),
    SLUICE_ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    SLUICE_ERROR(cudaErrorNoKernelImageForDevice,
                 "no kernel image is available for execution on the device"),
    SLUICE_ERROR(cudaErrorHostMemoryAlreadyRegistered,
                 "part or all of the requested memory range is already mapped"),
    SLUICE_ERROR(cudaErrorHostMemoryNotRegistered,
                 "pointer does not correspond to a registered memory region"),
    SLUICE_ERROR(cudaErrorNotPermitted, "operation not permitted"),
    SLUICE_ERROR(cudaErrorNotSupported, "operation not supported"),
    SLUICE_ERROR(cudaErrorSystemDriverMismatch,
                 "system has unsupported display driver / cuda driver combination"),
    SLUICE_ERROR(cudaErrorCompatNotSupportedOnDevice,
                 "forward compatibility was attempted on non supported HW"),
    SLUICE_ERROR(cudaErrorStreamCaptureUnsupported,
                 "operation not permitted when stream is capturing"),
    SLUICE_ERROR(cudaErrorStreamCaptureInvalidated,
                 "operation failed due to a previous error during capture"),
    SLUICE_ERROR(cudaErrorStreamCaptureMerge,
                 "operation would result in a merge of separate capture sequences"),
    SLUICE_ERROR(cudaErrorStreamCaptureUnmatched,
                 "capture was not ended in the same stream as it began"),
    SLUICE_ERROR(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    SLUICE_ERROR(cudaErrorStreamCaptureIsolation,
                 "dependency created on uncaptured work in another stream"),
    SLUICE_ERROR(cudaErrorStreamCaptureImplicit,
                 "operation would make the legacy stream depend on a capturing blocking stream"),
    SLUICE_ERROR(cudaErrorCapturedEvent,
                 "operation not permitted on an event last recorded in a capturing stream"),
    SLUICE_ERROR(cudaErrorStreamCaptureWrongThread,
                 "attempt to terminate a thread-local capture sequence from another thread"),
    SLUICE_ERROR(cudaErrorECCUncorrectable, "uncorrectable ECC error encountered"),
    SLUICE_ERROR(cudaErrorDevicesUnavailable, "CUDA-capable device(s) is/are busy or unavailable"),
    SLUICE_ERROR(cudaErrorAssert, "device-side assert triggered"),
    SLUICE_ERROR(cudaErrorUnknown, "unknown error"),
};

const ErrorText* find(cudaError_t error) {
  const auto* const it = std::find_if(std::begin(kErrors), std::end(kErrors),
                                      [error](const ErrorText& e) { return e.error == error; });
  return it == std::end(kErrors) ? nullptr : it;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) {
  const ErrorText* const found = find(error);
  return found == nullptr ? "unrecognized error code" : found->name;
}

const char* cudaGetErrorString(cudaError_t error) {
  const ErrorText* const found = find(error);
  return found == nullptr ? "unrecognized error code" : found->text;
}
