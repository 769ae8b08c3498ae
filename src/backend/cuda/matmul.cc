#include "backend/cuda/matmul.h"

namespace sluice::backend::cuda {
namespace {

MatrixLayout layout_of(DataType type, int64_t rows, int64_t columns) {
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
  if (spec.relu_mask != nullptr) {
    set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, spec.relu_mask);
    set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, spec.relu_mask_leading);
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
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
      static_cast<uint64_t>(context.workspace.size()));
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

std::optional<Matmul> Matmul::make(const Context& context, const MatmulSpec& spec) {
  Matmul matmul;
  matmul.operation_ = operation_of(context, spec);
  matmul.a_ = spec.transpose_a ? layout_of(spec.factors, spec.k, spec.m)
                               : layout_of(spec.factors, spec.m, spec.k);
  matmul.b_ = spec.transpose_b ? layout_of(spec.factors, spec.n, spec.k)
                               : layout_of(spec.factors, spec.k, spec.n);
  matmul.d_ = layout_of(spec.result, spec.m, spec.n);
  const MatmulPreference preference = preference_of(context, spec);
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      context.cublaslt.get(), matmul.operation_.get(), matmul.a_.get(), matmul.b_.get(),
      matmul.d_.get(), matmul.d_.get(), preference.get(), 1, &found, &count);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && count == 0)) {
    return std::nullopt;
  }
  check(status, "cublasLtMatmulAlgoGetHeuristic");
  matmul.algorithm_ = found.algo;
  return matmul;
}

void Matmul::run(const Context& context, const void* a, const void* b, void* d) const {
  const float one = 1, zero = 0;
  SLUICE_CHECKED(cublasLtMatmul(context.cublaslt.get(), operation_.get(), &one, a, a_.get(), b,
                                b_.get(), &zero, d, d_.get(), d, d_.get(), &algorithm_,
                                context.workspace.data(), context.workspace.size(),
                                context.compute.get()));
}

}  // namespace sluice::backend::cuda
