// A copy of a parameter in another layout or type, kept until the parameter changes.
#pragma once

#include <optional>

#include "backend/cpu/kernel.h"
#include "backend/cpu/primitive.h"
#include "core/aligned_buffer.h"

namespace sluice::backend::cpu {

class ReorderedParameter {
 public:
  // The parameter itself where nothing changes.
  ReorderedParameter(const Build& build, const ParameterSlice& slice, const Desc& from,
                     const Desc& to);
  // Of what somebody makes of parameters whenever they have changed.
  ReorderedParameter(const Build& build, Buffer* source, const Desc& from, const Desc& to);

  Buffer* buffer() const { return buffer_; }
  // Copies again if the parameter has changed since; before each use of buffer().
  void refresh(const dnnl::stream& stream);
  // The owner has written the copy itself.
  void is_fresh() { version_ = parameters_.version(); }

 private:
  ParameterStore& parameters_;
  Buffer* buffer_ = nullptr;
  core::AlignedBuffer copy_;
  std::optional<Primitive> reorder_;
  uint64_t version_ = 0;
};

// to = from in another layout or type.
Primitive make_reorder(const Build& build, const Desc& from, Buffer* source, const Desc& to,
                       Buffer* target);

}  // namespace sluice::backend::cpu
