#include "backend/cuda/matmul.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "backend/cuda/timing.h"

namespace sluice::backend::cuda {
namespace {

// What NVIDIA recommends on Hopper.
constexpr uint64_t kMostMemory = uint64_t{32} << 20;
constexpr int kMostAlgorithms = 8;
MatrixLayout layout_of(Type type, int64_t rows, int64_t columns) {
  return made<MatrixLayout>(cublasLtMatrixLayoutCreate, cuda_type(type),
                            static_cast<uint64_t>(rows), static_cast<uint64_t>(columns), rows);
}

template <typename Value>
void set(const MatmulDescriptor& operation, cublasLtMatmulDescAttributes_t attribute,
         const Value& value) {
  SLUICE_CHECKED(cublasLtMatmulDescSetAttribute(operation.get(), attribute, &value, sizeof(value)));
}

template <typename Value>
void set(const MatmulPreference& preference, cublasLtMatmulPreferenceAttributes_t attribute,
         const Value& value) {
  SLUICE_CHECKED(
      cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof(value)));
}

MatmulDescriptor operation_of(const Context& context, const MatmulSpec& spec) {
  auto operation = made<MatmulDescriptor>(cublasLtMatmulDescCreate,
                                          context.compute_type(spec.factors), CUDA_R_32F);
  const auto op = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
  set(operation, CUBLASLT_MATMUL_DESC_TRANSA, op(spec.transpose_a));
  set(operation, CUBLASLT_MATMUL_DESC_TRANSB, op(spec.transpose_b));
  set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE, spec.epilogue);
  if (spec.bias != nullptr) {
    set(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, spec.bias);
    set(operation, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, cuda_type(spec.bias_type));
  }
  return operation;
}

// The largest power of two, up to what cuBLASLt asks about, that divides the address.
uint32_t alignment_of(const void* memory) {
  constexpr uint32_t kMost = 256;
  const auto address = reinterpret_cast<uintptr_t>(memory);
  uint32_t alignment = 1;
  while (alignment < kMost && address % (alignment * 2) == 0) alignment *= 2;
  return alignment;
}

MatmulPreference preference_of(const Context& context, const MatmulSpec& spec) {
  auto preference = made<MatmulPreference>(cublasLtMatmulPreferenceCreate);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMostMemory);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(spec.a));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(spec.b));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(spec.d));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(spec.d));
  if (context.deterministic) {
    set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
        static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE));
  }
  return preference;
}

}  // namespace

std::optional<Matmul> Matmul::make(const Context& context, const Lane& lane,
                                   const MatmulSpec& spec) {
  Matmul matmul(context, lane);
  matmul.operation_ = operation_of(context, spec);
  matmul.a_ = spec.transpose_a ? layout_of(spec.factors, spec.k, spec.m)
                               : layout_of(spec.factors, spec.m, spec.k);
  matmul.b_ = spec.transpose_b ? layout_of(spec.factors, spec.n, spec.k)
                               : layout_of(spec.factors, spec.k, spec.n);
  matmul.d_ = layout_of(spec.result, spec.m, spec.n);
  const MatmulPreference preference = preference_of(context, spec);
  std::array<cublasLtMatmulHeuristicResult_t, kMostAlgorithms> found{};
  int count = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      context.cublaslt.get(), matmul.operation_.get(), matmul.a_.get(), matmul.b_.get(),
      matmul.d_.get(), matmul.d_.get(), preference.get(), kMostAlgorithms, found.data(), &count);
  if (status != CUBLAS_STATUS_SUCCESS) return std::nullopt;
  // cuBLASLt lists the fastest first by its own estimate, which is the same in every run.
  std::vector<cublasLtMatmulAlgo_t> tried;
  std::vector<Trial> trials;
  for (const auto& result : std::span(found).first(static_cast<size_t>(count))) {
    if (result.state != CUBLAS_STATUS_SUCCESS) continue;
    lane.workspace->reserve(result.workspaceSize);
    matmul.algorithm_ = result.algo;
    std::optional<Trial> trial = matmul.trial(spec);
    if (!trial) continue;
    tried.push_back(result.algo);
    trials.push_back(std::move(*trial));
    if (context.deterministic) break;
  }
  if (tried.empty()) return std::nullopt;
  const std::vector<double> seconds = fewest_seconds(trials, kTrialRounds);
  matmul.algorithm_ = tried[static_cast<size_t>(std::min_element(seconds.begin(), seconds.end()) -
                                                seconds.begin())];
  return matmul;
}

std::optional<Trial> Matmul::trial(const MatmulSpec& spec) const {
  cudaStream_t stream = lane_->stream.get();
  try {
    return Trial(stream, kTrialCalls, [&] { run(spec.a, spec.b, spec.d); });
  } catch (const CudaError&) {  // listed, but it does not work
    (void)cudaStreamSynchronize(stream);
    (void)cudaGetLastError();
    return std::nullopt;
  }
}

void Matmul::run(const void* a, const void* b, void* d) const {
  const float one = 1, zero = 0;
  check(cublasLtMatmul(context_->cublaslt.get(), operation_.get(), &one, a, a_.get(), b, b_.get(),
                       &zero, d, d_.get(), d, d_.get(), &algorithm_, lane_->workspace->data(),
                       lane_->workspace->size(), lane_->stream.get()),
        "cublasLtMatmul");
}

}  // namespace sluice::backend::cuda
