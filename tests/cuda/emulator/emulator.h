// The CUDA runtime, cuDNN and cuBLASLt on the host, for tests without a GPU.
//
// Sources written for CUDA are compiled by g++ against the real CUDA headers and linked with this
// library in place of NVIDIA's. `.cc` files compile as they are; `.cu` files need device.h
// force-included, which sluice_emulated_cuda_sources() of CMakeLists.txt arranges, and launch their
// kernels through launch() below instead of <<<>>> or cudaLaunchKernelEx.
//
// It is as lazy as a GPU may be. Copies, memsets, kernels, host functions, graph launches, event
// records and cuDNN's and cuBLASLt's calls are queued, and run on the thread that waits for them:
// by a synchronise, or because a stream that runs waits for an event of theirs. A result read too
// early is therefore wrong every time. A query runs one queued operation, so that polling ends.
//
// What it shows, beyond wrong results:
//   - new device memory is 0xFF bytes, a NaN as float and as bfloat16;
//   - device memory is one host allocation each, so AddressSanitizer sees what runs past its end;
//   - a barrier or warp operation that some of its threads do not reach aborts and says which;
//   - threads of a block, and the branches of a graph, run in an order that alternates from launch
//     to launch, so that results depend on missing barriers and edges;
//   - workspaces are overwritten; convolution algorithms that are not deterministic add in
//     alternating order; TF32 rounds its inputs;
//   - stale handles, pointers of the wrong kind and operations that a capture forbids are errors.
//
// Environment, read at every use:
//   SLUICE_EMULATED_GPUS       how many devices (default 1); 0: cudaErrorNoDevice; no-driver:
//                              cudaErrorInsufficientDriver
//   SLUICE_EMULATED_MEMORY     MiB of each device (default 8192)
//   SLUICE_EMULATED_ARCH       compute capability (default 9.0); unsupported: kernels and
//                              cudaFuncGetAttributes fail with cudaErrorNoKernelImageForDevice
//   SLUICE_EMULATED_EPILOGUES  none: cuBLASLt knows no epilogue but the default
//
// Threads: everything may be called from any thread.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace sluice::emulator {

// Queues a kernel, or records it where `stream` captures: `thread_body` is called once per CUDA
// thread, with threadIdx and its kin set. Fails as cudaLaunchKernelEx does.
cudaError_t launch(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                   std::function<void()> thread_body);

// All but the last two since the process started.
struct Counters {
  int64_t device_allocations = 0;
  int64_t host_allocations = 0;  // pinned; registrations count
  int64_t synchronisations = 0;  // of a device, a stream or an event, and by cudaMemcpy
  int64_t kernels_run = 0;       // in graphs too, those of cuDNN and cuBLASLt not
  int64_t graphs_run = 0;
  int64_t library_calls_run = 0;  // of cuDNN and cuBLASLt, in graphs too
  int64_t unpinned_copies = 0;    // asynchronous ones that CUDA makes wait
  int64_t bytes_to_device = 0;
  int64_t bytes_to_host = 0;
  int64_t device_bytes_in_use = 0;
  int64_t handles_in_use = 0;  // streams, events, graphs, pools, handles and descriptors
};
Counters counters();

// Makes a call of `function` fail with `error`, which is of its status type, and do nothing else:
// the next call, or the one after `calls_before` more. fail_next("cudaMalloc",
// cudaErrorMemoryAllocation). Kernels are "launch".
void fail_next(const std::string& function, int error, int calls_before = 0);

// Forgets what fail_next() asked for and did not happen.
void forget_failures();

}  // namespace sluice::emulator
