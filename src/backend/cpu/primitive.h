// A oneDNN primitive with its arguments: executing it allocates nothing of ours.
#pragma once

#include <cstddef>
#include <vector>

#include "backend/cpu/onednn.h"
#include "backend/memory_plan.h"

namespace sluice::backend::cpu {

class Primitive {
 public:
  struct Argument {
    int role;  // DNNL_ARG_SRC ...
    Desc desc;
    Buffer* buffer;
  };

  Primitive(const dnnl::primitive& primitive, const dnnl::engine& engine,
            const std::vector<Argument>& arguments);

  // Follows buffers that have moved since the last time. Throws dnnl::error.
  void execute(const dnnl::stream& stream);

 private:
  dnnl::primitive primitive_;
  std::vector<dnnl::memory> memories_;
  std::vector<Buffer*> buffers_;
  std::vector<const float*> bound_;
  std::vector<dnnl_exec_arg_t> arguments_;
};

// Floats that hold one tensor of this layout, its padding included.
inline size_t floats_of(const Desc& desc) {
  return (desc.get_size() + sizeof(float) - 1) / sizeof(float);
}

// The scratch memory that a primitive descriptor asks for, planned for the one `time` it is used
// at.
Primitive::Argument scratchpad(MemoryPlan& plan, const Desc& desc, int time);

}  // namespace sluice::backend::cpu
