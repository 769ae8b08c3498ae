// Max and average pooling, with the derivative of ReLU and the like in front of it on the way back.
#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

class Pool2D final : public Operation {
 public:
  Pool2D(const Build& build, const Stage& stage, Value& x, Value& y)
      : context_(build.context),
        x_(x),
        y_(y),
        shape_{.batch = build.batch,
               .height = stage.op->input[0],
               .width = stage.op->input[1],
               .channels = stage.op->input[2],
               .out_height = stage.op->output[0],
               .out_width = stage.op->output[1],
               .op = std::get<Pool2DOp>(stage.op->kind)} {
    if (x.gradient != nullptr) x.consumer_differentiates = true;
  }

  void forward(Mode) override {
    pool(shape_, x_.type, x_.data->data, y_.data->data, context_.main.stream.get());
  }

  void backward() override {
    if (x_.gradient == nullptr) return;
    pool_backward(shape_, x_.type, x_.activation, x_.data->data, y_.gradient->data,
                  x_.gradient->data, context_.main.stream.get());
  }

 private:
  const Context& context_;
  Value& x_;
  Value& y_;
  const PoolingShape shape_;
};

}  // namespace

std::unique_ptr<Operation> make_pool2d(const Build& build, const Stage& stage, Value& x, Value& y) {
  return std::make_unique<Pool2D>(build, stage, x, y);
}

}  // namespace sluice::backend::cuda
