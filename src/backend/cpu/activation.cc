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
  Elementwise(const Build& build, Activation activation)
      : device_(build.device),
        activation_(activation),
        x_(build.x()),
        y_(build.y()),
        size_(build.batch * y_.shape.size()) {
    const Desc desc = float_desc(Dims{size_}, Tag::a);
    const auto primitive_desc = elementwise(device_.engine, desc, activation_);
    forward_.emplace(dnnl::eltwise_forward(primitive_desc), device_.engine,
                     std::vector<Primitive::Argument>{{DNNL_ARG_SRC, desc, x_.data},
                                                      {DNNL_ARG_DST, desc, y_.data}});
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
  const Value& x_;
  const Value& y_;
  const int64_t size_;
  std::optional<Primitive> forward_;
};

class Softmax final : public Kernel {
 public:
  explicit Softmax(const Build& build)
      : threads_(build.device.threads),
        x_(build.x()),
        y_(build.y()),
        classes_(x_.shape.dims().back()),
        rows_(build.batch * x_.shape.size() / classes_) {}

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
  const Value& x_;
  const Value& y_;
  const int64_t classes_, rows_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const ActivationOp& op) {
  if (op.activation == Activation::kSoftmax) return std::make_unique<Softmax>(build);
  return std::make_unique<Elementwise>(build, op.activation);
}

}  // namespace sluice::backend::cpu
