#include "backend/cpu/primitive.h"

namespace sluice::backend::cpu {

Primitive::Primitive(const dnnl::primitive& primitive, const dnnl::engine& engine,
                     const std::vector<Argument>& arguments)
    : primitive_(primitive) {
  for (const Argument& argument : arguments) {
    if (argument.desc.get_size() == 0) continue;  // no bias, no scratch memory
    memories_.emplace_back(argument.desc, engine, static_cast<void*>(nullptr));
    buffers_.push_back(argument.buffer);
    bound_.push_back(nullptr);
    arguments_.push_back({argument.role, memories_.back().get()});
  }
}

void Primitive::execute(const dnnl::stream& stream) {
  for (size_t i = 0; i < buffers_.size(); ++i) {
    if (bound_[i] == buffers_[i]->data) continue;
    memories_[i].set_data_handle(buffers_[i]->data);
    bound_[i] = buffers_[i]->data;
  }
  // The C interface: the C++ one would build a vector of the arguments on every call.
  dnnl::error::wrap_c_api(
      dnnl_primitive_execute(primitive_.get(), stream.get(), static_cast<int>(arguments_.size()),
                             arguments_.data()),
      "could not execute a primitive");
}

Primitive::Argument scratchpad(MemoryPlan& plan, const Desc& desc, int time) {
  return {DNNL_ARG_SCRATCHPAD, desc, plan.add(floats_of(desc), time, time)};
}

}  // namespace sluice::backend::cpu
