// Creating, setting and destroying descriptors.
#include "cublaslt/descriptors.h"

#include <cstddef>
#include <new>
#include <optional>

namespace sluice::emulator::cublaslt {

// Never destroyed, as state().
HandleTable<cublasLtHandle_t, Context>& contexts() {
  static auto* const all = new HandleTable<cublasLtHandle_t, Context>;
  return *all;
}

namespace {

template <typename Content, typename Opaque>
Content* content_of(Opaque* opaque) {
  static_assert(sizeof(Content) <= sizeof(Opaque) && alignof(Content) <= alignof(Opaque));
  auto* const content = reinterpret_cast<Content*>(opaque);
  return opaque != nullptr && content->magic == Content::kMagic ? content : nullptr;
}

template <typename Content, typename Opaque>
cublasStatus_t init(Opaque* opaque, size_t size, Content content) {
  if (opaque == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  if (size < sizeof(Content)) return CUBLAS_STATUS_ALLOC_FAILED;
  content.magic = Content::kMagic;
  new (opaque) Content(content);
  return CUBLAS_STATUS_SUCCESS;
}

template <typename Content, typename Opaque>
cublasStatus_t create(const char* function, Opaque** opaque, const Content& content) {
  return library_call<cublasStatus_t>(function, [&] {
    if (opaque == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *opaque = new Opaque;
    ++state().library_handles;
    return init(*opaque, sizeof(Opaque), content);
  });
}

template <typename Content, typename Opaque>
cublasStatus_t destroy(const char* function, Opaque* opaque) {
  return library_call<cublasStatus_t>(function, [&] {
    if (opaque == nullptr) return CUBLAS_STATUS_SUCCESS;
    Content* const content = content_of<Content>(opaque);
    if (content == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    content->magic = 0;
    delete opaque;
    --state().library_handles;
    return CUBLAS_STATUS_SUCCESS;
  });
}

struct Field {
  size_t offset;
  size_t size;
};

#define SLUICE_FIELD(type, member) \
  Field { offsetof(type, member), sizeof(type::member) }

std::optional<Field> field_of(cublasLtMatmulDescAttributes_t attribute) {
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE:
      return SLUICE_FIELD(MatmulDesc, compute_type);
    case CUBLASLT_MATMUL_DESC_SCALE_TYPE:
      return SLUICE_FIELD(MatmulDesc, scale_type);
    case CUBLASLT_MATMUL_DESC_POINTER_MODE:
      return SLUICE_FIELD(MatmulDesc, pointer_mode);
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return SLUICE_FIELD(MatmulDesc, transpose_a);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return SLUICE_FIELD(MatmulDesc, transpose_b);
    case CUBLASLT_MATMUL_DESC_TRANSC:
      return SLUICE_FIELD(MatmulDesc, transpose_c);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return SLUICE_FIELD(MatmulDesc, epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return SLUICE_FIELD(MatmulDesc, bias);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      return SLUICE_FIELD(MatmulDesc, bias_type);
    case CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET:
      return SLUICE_FIELD(MatmulDesc, sm_count);
    default:
      return std::nullopt;
  }
}

std::optional<Field> field_of(cublasLtMatrixLayoutAttribute_t attribute) {
  switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_TYPE:
      return SLUICE_FIELD(MatrixLayout, type);
    case CUBLASLT_MATRIX_LAYOUT_ORDER:
      return SLUICE_FIELD(MatrixLayout, order);
    case CUBLASLT_MATRIX_LAYOUT_ROWS:
      return SLUICE_FIELD(MatrixLayout, rows);
    case CUBLASLT_MATRIX_LAYOUT_COLS:
      return SLUICE_FIELD(MatrixLayout, cols);
    case CUBLASLT_MATRIX_LAYOUT_LD:
      return SLUICE_FIELD(MatrixLayout, ld);
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
      return SLUICE_FIELD(MatrixLayout, batch_count);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
      return SLUICE_FIELD(MatrixLayout, batch_stride);
    default:
      return std::nullopt;
  }
}

std::optional<Field> field_of(cublasLtMatmulPreferenceAttributes_t attribute) {
  constexpr size_t kAlignment = offsetof(Preference, alignment);
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_SEARCH_MODE:
      return SLUICE_FIELD(Preference, search_mode);
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return SLUICE_FIELD(Preference, max_workspace);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return SLUICE_FIELD(Preference, reduction_schemes);
    case CUBLASLT_MATMUL_PREF_MAX_WAVES_COUNT:
      return SLUICE_FIELD(Preference, max_waves);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
      return Field{kAlignment, 4};
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
      return Field{kAlignment + 4, 4};
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
      return Field{kAlignment + 8, 4};
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return Field{kAlignment + 12, 4};
    default:
      return std::nullopt;
  }
}

#undef SLUICE_FIELD

template <typename Content, typename Opaque, typename Attribute>
cublasStatus_t set(const char* function, Opaque* opaque, Attribute attribute, const void* buffer,
                   size_t size) {
  return library_call<cublasStatus_t>(function, [&] {
    Content* const content = content_of<Content>(opaque);
    const std::optional<Field> field = field_of(attribute);
    if (content == nullptr || !field || buffer == nullptr || size != field->size) {
      return CUBLAS_STATUS_INVALID_VALUE;
    }
    std::memcpy(reinterpret_cast<char*>(content) + field->offset, buffer, size);
    return CUBLAS_STATUS_SUCCESS;
  });
}

template <typename Content, typename Opaque, typename Attribute>
cublasStatus_t get(const char* function, Opaque* opaque, Attribute attribute, void* buffer,
                   size_t size, size_t* written) {
  return library_call<cublasStatus_t>(function, [&] {
    const Content* const content = content_of<Content>(opaque);
    const std::optional<Field> field = field_of(attribute);
    if (content == nullptr || !field) return CUBLAS_STATUS_INVALID_VALUE;
    if (written != nullptr) *written = field->size;
    if (size == 0 && written != nullptr) return CUBLAS_STATUS_SUCCESS;  // asks for the size
    if (buffer == nullptr || size != field->size) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(buffer, reinterpret_cast<const char*>(content) + field->offset, size);
    return CUBLAS_STATUS_SUCCESS;
  });
}

MatmulDesc make_desc(cublasComputeType_t compute_type, cudaDataType_t scale_type) {
  return {.compute_type = compute_type, .scale_type = scale_type};
}

MatrixLayout make_layout(cudaDataType type, uint64_t rows, uint64_t cols, int64_t ld) {
  return {.type = static_cast<uint32_t>(type), .rows = rows, .cols = cols, .ld = ld};
}

}  // namespace

const MatmulDesc* find(const cublasLtMatmulDescOpaque_t* desc) {
  return content_of<const MatmulDesc>(desc);
}
const MatrixLayout* find(const cublasLtMatrixLayoutOpaque_t* layout) {
  return content_of<const MatrixLayout>(layout);
}
const Preference* find(const cublasLtMatmulPreferenceOpaque_t* preference) {
  return content_of<const Preference>(preference);
}

}  // namespace sluice::emulator::cublaslt

namespace lt = sluice::emulator::cublaslt;

cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t desc, size_t size,
                                               cublasComputeType_t compute_type,
                                               cudaDataType_t scale_type) {
  return lt::init(desc, size, lt::make_desc(compute_type, scale_type));
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc,
                                        cublasComputeType_t compute_type,
                                        cudaDataType_t scale_type) {
  return lt::create(__func__, desc, lt::make_desc(compute_type, scale_type));
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  return lt::destroy<lt::MatmulDesc>(__func__, desc);
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* buffer, size_t size) {
  return lt::set<lt::MatmulDesc>(__func__, desc, attribute, buffer, size);
}
cublasStatus_t cublasLtMatmulDescGetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              void* buffer, size_t size, size_t* written) {
  return lt::get<lt::MatmulDesc>(__func__, desc, attribute, buffer, size, written);
}

cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t layout, size_t size,
                                                 cudaDataType type, uint64_t rows, uint64_t cols,
                                                 int64_t ld) {
  return lt::init(layout, size, lt::make_layout(type, rows, cols, ld));
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          uint64_t rows, uint64_t cols, int64_t ld) {
  return lt::create(__func__, layout, lt::make_layout(type, rows, cols, ld));
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return lt::destroy<lt::MatrixLayout>(__func__, layout);
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                const void* buffer, size_t size) {
  return lt::set<lt::MatrixLayout>(__func__, layout, attribute, buffer, size);
}
cublasStatus_t cublasLtMatrixLayoutGetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                void* buffer, size_t size, size_t* written) {
  return lt::get<lt::MatrixLayout>(__func__, layout, attribute, buffer, size, written);
}

cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t preference,
                                                     size_t size) {
  return lt::init(preference, size, lt::Preference{});
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return lt::create(__func__, preference, lt::Preference{});
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return lt::destroy<lt::Preference>(__func__, preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* buffer, size_t size) {
  return lt::set<lt::Preference>(__func__, preference, attribute, buffer, size);
}
