#include "backend/cpu/dense_product.h"

namespace sluice::backend::cpu {

Primitive::Argument dense_bias(const Build& build, const DenseOp& op, int64_t units) {
  if (!op.bias) return no_bias();
  return {DNNL_ARG_BIAS, float_desc(Dims{1, units}, Tag::ab),
          build.memory.elsewhere(build.parameters.values_of(*op.bias))};
}

Primitive::Argument no_bias() { return {DNNL_ARG_BIAS, Desc(), nullptr}; }

Primitive make_product(const Build& build, int time, const Primitive::Argument& a,
                       const Primitive::Argument& b, const Primitive::Argument& bias,
                       const Primitive::Argument& y, const Activation& activation) {
  const dnnl::engine& engine = build.device.engine;
  const auto desc = matmul(engine, a.desc, b.desc, bias.desc, y.desc, activation);
  return {dnnl::matmul(desc),
          engine,
          {a, b, bias, y, scratchpad(build.memory, desc.scratchpad_desc(), time)}};
}

}  // namespace sluice::backend::cpu
