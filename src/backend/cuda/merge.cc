// Elementwise arithmetic on several inputs of one shape and type.
#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

class Merge final : public Operation {
 public:
  explicit Merge(const Build& build)
      : context_(build.context),
        values_(build.values),
        size_(build.batch * build.y().shape.size()) {}

  void forward(Mode) override {
    const Value& y = values_.y;
    if (values_.x.size() == 1) return copy(values_.x[0].data, y.data);
    const Buffer* sum = values_.x[0].data;
    for (size_t i = 1; i < values_.x.size(); ++i) {
      add(y.type, size_, sum->data, values_.x[i].data->data, y.data->data,
          context_.main.stream.get());
      sum = y.data;
    }
  }

  void backward() override {
    for (const Value& x : values_.x) {
      if (x.gradient != nullptr) copy(values_.y.gradient, x.gradient);
    }
  }

 private:
  void copy(const Buffer* from, Buffer* to) const {
    SLUICE_CHECKED(cudaMemcpyAsync(to->data, from->data,
                                   static_cast<size_t>(size_) * size_of(values_.y.type),
                                   cudaMemcpyDeviceToDevice, context_.main.stream.get()));
  }

  const Context& context_;
  const StepValues& values_;
  const int64_t size_;
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Build& build, const MergeOp&) {
  return std::make_unique<Merge>(build);
}

}  // namespace sluice::backend::cuda
