// A value in another type or layout, and its gradient back.
#include <optional>

#include "backend/cpu/convolution.h"
#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/primitive.h"
#include "backend/cpu/reordered_parameter.h"

namespace sluice::backend::cpu {
namespace {

class Cast final : public Kernel {
 public:
  explicit Cast(const Build& build)
      : threads_(build.device.threads),
        x_(build.x()),
        y_(build.y()),
        size_(build.batch * y_.shape.size()) {}

  void forward(Mode, uint64_t) override { cast(x_.data, x_.type, y_.data); }
  void backward(uint64_t) override {
    if (x_.gradient != nullptr) cast(y_.gradient, y_.type, x_.gradient);
  }

 private:
  void cast(const Buffer* from, Type from_type, Buffer* to) const {
    parallel_for(threads_, size_, kChannelBlock, [&](int64_t begin, int64_t end) {
      if (from_type == Type::kFloat32) {
        convert(end - begin, from->data + begin, to->as<Bfloat16>() + begin);
      } else {
        convert(end - begin, from->as<Bfloat16>() + begin, to->data + begin);
      }
    });
  }

  const int threads_;
  const Value& x_;
  const Value& y_;
  const int64_t size_;
};

// Images in another layout, of one type.
class Reorder final : public Kernel {
 public:
  explicit Reorder(const Build& build) : device_(build.device) {
    const Value &x = build.x(), &y = build.y();
    const Desc from = image_desc(build.batch, x), to = image_desc(build.batch, y);
    forward_.emplace(make_reorder(build, from, x.data, to, y.data));
    if (build.has_backward() && x.gradient != nullptr) {
      backward_.emplace(make_reorder(build, to, y.gradient, from, x.gradient));
    }
  }

  void forward(Mode, uint64_t) override { forward_->execute(device_.stream); }
  void backward(uint64_t) override {
    if (backward_) backward_->execute(device_.stream);
  }

 private:
  const Device& device_;
  std::optional<Primitive> forward_, backward_;
};

}  // namespace

std::unique_ptr<Kernel> make_cast(const Build& build) {
  if (build.x().layout != build.y().layout) return std::make_unique<Reorder>(build);
  return std::make_unique<Cast>(build);
}

}  // namespace sluice::backend::cpu
