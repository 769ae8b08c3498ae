// An activation that no kernel before it could take along: elementwise by oneDNN, softmax by us.
#include <optional>

#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/primitive.h"

namespace sluice::backend::cpu {
namespace {

class Elementwise final : public Kernel {
 public:
  Elementwise(const Build& build, const Stage& stage, Value& x, Value& y)
      : device_(build.device),
        activation_(std::get<ActivationOp>(stage.op->kind).activation),
        x_(x),
        y_(y),
        size_(build.batch * stage.op->output.size()) {
    const Desc desc = float_desc(Dims{size_}, Tag::a);
    const auto primitive_desc = elementwise(device_.engine, desc, activation_);
    forward_.emplace(dnnl::eltwise_forward(primitive_desc), device_.engine,
                     std::vector<Primitive::Argument>{{DNNL_ARG_SRC, desc, x.data},
                                                      {DNNL_ARG_DST, desc, y.data}});
  }

  void forward(Mode, uint64_t) override { forward_->execute(device_.stream); }

  void backward(uint64_t) override {
    if (x_.gradient == nullptr) return;
    parallel_for(device_.threads, size_, kChannelBlock, [this](int64_t begin, int64_t end) {
      float* dx = x_.gradient->data + begin;
      std::copy(y_.gradient->data + begin, y_.gradient->data + end, dx);
      differentiate(activation_, end - begin, y_.data->data + begin, dx);
    });
  }

 private:
  const Device& device_;
  const Activation activation_;
  Value& x_;
  Value& y_;
  const int64_t size_;
  std::optional<Primitive> forward_;
};

class Softmax final : public Kernel {
 public:
  Softmax(const Build& build, const Stage& stage, Value& x, Value& y)
      : threads_(build.device.threads),
        x_(x),
        y_(y),
        classes_(stage.op->input.dims().back()),
        rows_(build.batch * stage.op->input.size() / classes_) {}

  void forward(Mode, uint64_t) override {
    parallel_for(threads_, rows_, 1, [this](int64_t begin, int64_t end) {
      softmax(end - begin, classes_, x_.data->data + begin * classes_,
              y_.data->data + begin * classes_);
    });
  }

  void backward(uint64_t) override {
    if (x_.gradient == nullptr) return;
    parallel_for(threads_, rows_, 1, [this](int64_t begin, int64_t end) {
      const int64_t at = begin * classes_;
      softmax_gradient(end - begin, classes_, y_.data->data + at, y_.gradient->data + at,
                       x_.gradient->data + at);
    });
  }

 private:
  const int threads_;
  Value& x_;
  Value& y_;
  const int64_t classes_, rows_;
};

}  // namespace

std::unique_ptr<Kernel> make_activation(const Build& build, const Stage& stage, Value& x,
                                        Value& y) {
  if (std::get<ActivationOp>(stage.op->kind).activation == Activation::kSoftmax) {
    return std::make_unique<Softmax>(build, stage, x, y);
  }
  return std::make_unique<Elementwise>(build, stage, x, y);
}

}  // namespace sluice::backend::cpu
