#include "cublaslt/product.h"

#include <cstdint>

#include "runtime/settings.h"

namespace sluice::emulator::cublaslt {
namespace {

bool supported_type(uint32_t type) { return type == CUDA_R_32F || type == CUDA_R_16BF; }

bool known_epilogue(uint32_t epilogue) {
  switch (epilogue) {
    case CUBLASLT_EPILOGUE_DEFAULT:
    case CUBLASLT_EPILOGUE_RELU:
    case CUBLASLT_EPILOGUE_BIAS:
    case CUBLASLT_EPILOGUE_RELU_BIAS:
      return true;
    default:
      return false;
  }
}

bool valid_layout(const MatrixLayout& layout) {
  const bool row_major = layout.order == CUBLASLT_ORDER_ROW;
  const uint64_t least = row_major ? layout.cols : layout.rows;
  return layout.rows > 0 && layout.cols > 0 && layout.ld >= static_cast<int64_t>(least);
}

cublasStatus_t check_layouts(const Product& p) {
  for (const MatrixLayout* const layout : {&p.a, &p.b, &p.c, &p.d}) {
    if (!valid_layout(*layout)) return CUBLAS_STATUS_INVALID_VALUE;
    if (layout->order != CUBLASLT_ORDER_COL && layout->order != CUBLASLT_ORDER_ROW) {
      return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    if (layout->batch_count != 1) return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  return p.c.order == p.d.order ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t check_shapes(Product& p) {
  const bool a_turned = p.desc.transpose_a != CUBLAS_OP_N;
  const bool b_turned = p.desc.transpose_b != CUBLAS_OP_N;
  p.m = a_turned ? p.a.cols : p.a.rows;
  p.k = a_turned ? p.a.rows : p.a.cols;
  p.n = b_turned ? p.b.rows : p.b.cols;
  const size_t b_depth = b_turned ? p.b.cols : p.b.rows;
  const bool fit =
      b_depth == p.k && p.c.rows == p.m && p.c.cols == p.n && p.d.rows == p.m && p.d.cols == p.n;
  return fit ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

// Both inputs of one type, C of D's; a float product of floats, or either of bfloat16.
cublasStatus_t check_types(const Product& p) {
  const bool compute_known = p.desc.compute_type == CUBLAS_COMPUTE_32F ||
                             p.desc.compute_type == CUBLAS_COMPUTE_32F_PEDANTIC ||
                             p.desc.compute_type == CUBLAS_COMPUTE_32F_FAST_TF32;
  if (!compute_known || p.desc.scale_type != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (p.desc.pointer_mode != CUBLASLT_POINTER_MODE_HOST) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (p.desc.transpose_c != CUBLAS_OP_N) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (!supported_type(p.a.type) || !supported_type(p.d.type)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (p.a.type != p.b.type || p.c.type != p.d.type) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (p.a.type == CUDA_R_32F && p.d.type != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  const bool tf32 = p.desc.compute_type == CUBLAS_COMPUTE_32F_FAST_TF32;
  return tf32 && p.a.type != CUDA_R_32F ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t check_epilogue(const Product& p) {
  if (p.desc.epilogue == CUBLASLT_EPILOGUE_DEFAULT) return CUBLAS_STATUS_SUCCESS;
  if (!known_epilogue(p.desc.epilogue) || !epilogues_supported()) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  if (p.d.order != CUBLASLT_ORDER_COL) return CUBLAS_STATUS_NOT_SUPPORTED;
  const bool other_bias = p.desc.bias_type != -1 && p.desc.bias_type != static_cast<int>(p.d.type);
  if (p.adds_bias() && other_bias) return CUBLAS_STATUS_INVALID_VALUE;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t check_pointers(const Product& p) {
  const bool bias_missing =
      p.adds_bias() && !state().memory.on_device(p.desc.bias, p.m * size_of(p.bias_number()));
  return bias_missing ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_SUCCESS;
}

}  // namespace

Number number_of(const MatrixLayout& layout) {
  return layout.type == CUDA_R_16BF ? Number::kBfloat16 : Number::kFloat;
}

Number Product::bias_number() const { return number_of(d); }

Precision Product::precision() const {
  return desc.compute_type == CUBLAS_COMPUTE_32F_FAST_TF32 ? Precision::kTf32 : Precision::kExact;
}

cublasStatus_t find_product(cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                            cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                            cublasLtMatrixLayout_t d, Pointers pointers, Product* product) {
  if (!find(desc) || !find(a) || !find(b) || !find(c) || !find(d)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  product->desc = *find(desc);
  product->a = *find(a);
  product->b = *find(b);
  product->c = *find(c);
  product->d = *find(d);
  if (const auto status = check_layouts(*product)) return status;
  if (const auto status = check_shapes(*product)) return status;
  if (const auto status = check_types(*product)) return status;
  if (const auto status = check_epilogue(*product)) return status;
  return pointers == Pointers::kNeeded ? check_pointers(*product) : CUBLAS_STATUS_SUCCESS;
}

uint64_t fingerprint(const Product& p) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a, a word at a time
  const auto add = [&hash](uint64_t word) { hash = (hash ^ word) * 1099511628211u; };
  add(static_cast<uint64_t>(p.desc.compute_type));
  add(p.desc.epilogue);
  add(static_cast<uint64_t>(p.desc.transpose_a));
  add(static_cast<uint64_t>(p.desc.transpose_b));
  for (const MatrixLayout* const layout : {&p.a, &p.b, &p.c, &p.d}) {
    add(layout->type);
    add(static_cast<uint64_t>(layout->order));
    add(layout->rows);
    add(layout->cols);
    add(static_cast<uint64_t>(layout->ld));
  }
  return hash;
}

}  // namespace sluice::emulator::cublaslt
