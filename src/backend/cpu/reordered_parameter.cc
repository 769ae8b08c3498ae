#include "backend/cpu/reordered_parameter.h"

namespace sluice::backend::cpu {

Primitive make_reorder(const Build& build, const Desc& from, Buffer* source, const Desc& to,
                       Buffer* target) {
  const dnnl::engine& engine = build.device.engine;
  // Scratch memory is the library's: only kernels that change for Winograd's algorithm need some.
  return {dnnl::reorder({engine, from, engine, to, dnnl::primitive_attr()}),
          engine,
          {{DNNL_ARG_FROM, from, source}, {DNNL_ARG_TO, to, target}}};
}

ReorderedParameter::ReorderedParameter(const Build& build, const ParameterSlice& slice,
                                       const Desc& from, const Desc& to)
    : ReorderedParameter(build, build.memory.elsewhere(build.parameters.values_of(slice)), from,
                         to) {}

ReorderedParameter::ReorderedParameter(const Build& build, Buffer* source, const Desc& from,
                                       const Desc& to)
    : parameters_(build.parameters) {
  if (from == to) {
    buffer_ = source;
    return;
  }
  copy_ = core::AlignedBuffer(floats_of(to));
  buffer_ = build.memory.elsewhere(copy_.data());
  reorder_.emplace(make_reorder(build, from, source, to, buffer_));
}

void ReorderedParameter::refresh(const dnnl::stream& stream) {
  if (!reorder_ || version_ == parameters_.version()) return;
  reorder_->execute(stream);
  version_ = parameters_.version();
}

}  // namespace sluice::backend::cpu
