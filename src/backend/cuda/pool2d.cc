// Max and average pooling, with the derivative of ReLU and the like in front of it on the way back.
#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

class Pool2D final : public Operation {
 public:
  Pool2D(const Build& build, const Pool2DOp& op)
      : context_(build.context),
        x_(build.x()),
        y_(build.y()),
        shape_{.batch = build.batch,
               .height = x_.shape[0],
               .width = x_.shape[1],
               .channels = x_.shape[2],
               .out_height = y_.shape[0],
               .out_width = y_.shape[1],
               .op = op},
        differentiated_(x_.reader_differentiates ? x_.activation : Activation::kLinear) {}

  void forward(Mode) override {
    pool(shape_, x_.type, x_.data->data, y_.data->data, context_.main.stream.get());
  }

  void backward() override {
    if (x_.gradient == nullptr) return;
    pool_backward(shape_, x_.type, differentiated_, x_.data->data, y_.gradient->data,
                  x_.gradient->data, context_.main.stream.get());
  }

 private:
  const Context& context_;
  const Value& x_;
  const Value& y_;
  const PoolingShape shape_;
  const Activation differentiated_;  // that of the step in front, on the way back
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const Pool2DOp& op) {
  return std::make_unique<Pool2D>(build, op);
}

}  // namespace sluice::backend::cuda
