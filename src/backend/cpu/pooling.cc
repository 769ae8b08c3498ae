// Pooling with our own loops: they convert between layouts on the way, and route a maximum's
// gradient and apply the ReLU's mask in one pass.
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/pooling_loops.h"

namespace sluice::backend::cpu {
namespace {

class Pool2D final : public Kernel {
 public:
  Pool2D(const Build& build, const Stage& stage, Value& x, Value& y)
      : threads_(build.device.threads),
        x_(x),
        y_(y),
        rows_(build.batch * stage.op->output[0]),
        pooling_{std::get<Pool2DOp>(stage.op->kind), ImageView(stage.op->input, x.layout),
                 ImageView(stage.op->output, y.layout), Pooling::Mask::kNone},
        // Windows that may overlap add to the same pixels: one thread to an image.
        gradient_grain_(remembers_cells(pooling_) ? 1 : stage.op->output[0]) {
    if (!is_max()) return;
    if (x.activation == Activation::kRelu) {
      pooling_.mask = Pooling::Mask::kRelu;
      x.consumer_differentiates = true;
    }
    if (!remembers_cells(pooling_)) return;
    const int64_t bytes = build.batch * stage.op->output.size();
    cells_ = build.plan.add((static_cast<size_t>(bytes) + 3) / sizeof(float), build.forward_time,
                            build.backward_time);
  }

  void forward(Mode, uint64_t) override {
    parallel_for(threads_, rows_, 1, [this](int64_t begin, int64_t end) {
      if (is_max()) {
        max_pool(pooling_, begin, end, x_.data->data, y_.data->data, cells());
      } else {
        average_pool(pooling_, begin, end, x_.data->data, y_.data->data);
      }
    });
  }

  void backward(uint64_t) override {
    if (x_.gradient == nullptr) return;
    parallel_for(threads_, rows_, gradient_grain_, [this](int64_t begin, int64_t end) {
      if (is_max()) {
        max_pool_gradient(pooling_, begin, end, x_.data->data, cells(), y_.gradient->data,
                          x_.gradient->data);
      } else {
        average_pool_gradient(pooling_, begin, end, y_.gradient->data, x_.gradient->data);
      }
    });
  }

 private:
  bool is_max() const { return pooling_.op.kind == Pool2DOp::Kind::kMax; }
  uint8_t* cells() const {
    return cells_ == nullptr ? nullptr : reinterpret_cast<uint8_t*>(cells_->data);
  }

  const int threads_;
  Value& x_;
  Value& y_;
  const int64_t rows_;
  Pooling pooling_;
  const int64_t gradient_grain_;
  Buffer* cells_ = nullptr;
};

}  // namespace

std::unique_ptr<Kernel> make_pool2d(const Build& build, const Stage& stage, Value& x, Value& y) {
  return std::make_unique<Pool2D>(build, stage, x, y);
}

}  // namespace sluice::backend::cpu
