// Pooling with our own loops: they convert between layouts on the way, and route a maximum's
// gradient and apply the ReLU's mask in one pass.
#include <vector>

#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/pooling_loops.h"

namespace sluice::backend::cpu {
namespace {

class Pool2D final : public Kernel {
 public:
  Pool2D(const Build& build, const Pool2DOp& op)
      : threads_(build.device.threads),
        x_(build.x()),
        y_(build.y()),
        rows_(build.batch * y_.shape[0]),
        pooling_{op, ImageView(x_.shape, x_.layout), ImageView(y_.shape, y_.layout),
                 x_.reader_differentiates ? Pooling::Mask::kRelu : Pooling::Mask::kNone},
        // Windows that may overlap add to the same pixels: one thread to an image.
        gradient_grain_(remembers_cells(pooling_) ? 1 : y_.shape[0]) {
    if (through_floats()) add_images(build);
    if (!remembers_cells(pooling_)) return;
    const int64_t bytes = build.batch * y_.shape.size();
    cells_ = build.memory.add((static_cast<size_t>(bytes) + 3) / sizeof(float), build.forward_time,
                              build.backward_time);
  }

  void forward(Mode, uint64_t) override {
    parallel_pieces(threads_, rows_, through_floats() ? pooling_.y.height : 1,
                    [&](int piece, int64_t begin, int64_t end) {
                      if (through_floats()) {
                        in_floats(piece, begin, end, &Pool2D::pool_image);
                      } else if (x_.type == Type::kBfloat16) {
                        max_pool(pooling_, begin, end, x_.data->as<Bfloat16>(),
                                 y_.data->as<Bfloat16>(), cells());
                      } else {
                        pool(begin, end, x_.data->data, y_.data->data, cells());
                      }
                    });
  }

  void backward(uint64_t) override {
    if (x_.gradient == nullptr) return;
    parallel_pieces(threads_, rows_, through_floats() ? pooling_.y.height : gradient_grain_,
                    [&](int piece, int64_t begin, int64_t end) {
                      if (through_floats()) {
                        in_floats(piece, begin, end, &Pool2D::spread_image);
                      } else if (x_.type == Type::kBfloat16) {
                        max_pool_gradient(pooling_, begin, end, cells(),
                                          y_.gradient->as<Bfloat16>(), x_.gradient->as<Bfloat16>());
                      } else {
                        spread(begin, end, x_.data->data, cells(), y_.gradient->data,
                               x_.gradient->data);
                      }
                    });
  }

 private:
  // Sums, and maxima that add gradients up: bfloat16 is only how their images come and go.
  bool through_floats() const { return x_.type == Type::kBfloat16 && !remembers_cells(pooling_); }

  // One image in floats, of a thread's own.
  struct Image {
    Buffer* x;
    Buffer* y;
    Buffer* again;  // x, where the gradient looks at it again
  };

  void add_images(const Build& build) {
    const auto add = [&build](int64_t floats) {
      return build.memory.add(static_cast<size_t>(floats), build.forward_time, build.backward_time);
    };
    for (int i = 0; i < threads_; ++i) {
      images_.push_back({add(pooling_.x.image), add(pooling_.y.image), add(pooling_.x.image)});
    }
  }

  void pool(int64_t begin, int64_t end, const float* x, float* y, uint8_t* cells) const {
    if (is_max()) {
      max_pool(pooling_, begin, end, x, y, cells);
    } else {
      average_pool(pooling_, begin, end, x, y);
    }
  }

  void spread(int64_t begin, int64_t end, const float* x, const uint8_t* cells, const float* dy,
              float* dx) const {
    if (is_max()) {
      max_pool_gradient(pooling_, begin, end, x, cells, dy, dx);
    } else {
      average_pool_gradient(pooling_, begin, end, dy, dx);
    }
  }

  // Calls `work` for the images of the rows [begin, end).
  void in_floats(int piece, int64_t begin, int64_t end,
                 void (Pool2D::*work)(const Image&, int64_t) const) const {
    const int64_t height = pooling_.y.height;
    for (int64_t n = begin / height; n < end / height; ++n) {
      (this->*work)(images_[static_cast<size_t>(piece)], n);
    }
  }

  void pool_image(const Image& image, int64_t n) const {
    const int64_t x_size = pooling_.x.image, y_size = pooling_.y.image;
    convert(x_size, x_.data->as<Bfloat16>() + n * x_size, image.x->data);
    pool(0, pooling_.y.height, image.x->data, image.y->data, nullptr);
    convert(y_size, image.y->data, y_.data->as<Bfloat16>() + n * y_size);
  }

  void spread_image(const Image& image, int64_t n) const {
    const int64_t x_size = pooling_.x.image, y_size = pooling_.y.image;
    convert(y_size, y_.gradient->as<Bfloat16>() + n * y_size, image.y->data);
    if (is_max()) convert(x_size, x_.data->as<Bfloat16>() + n * x_size, image.again->data);
    spread(0, pooling_.y.height, image.again->data, nullptr, image.y->data, image.x->data);
    convert(x_size, image.x->data, x_.gradient->as<Bfloat16>() + n * x_size);
  }

  bool is_max() const { return pooling_.op.kind == Pool2DOp::Kind::kMax; }
  uint8_t* cells() const { return cells_ == nullptr ? nullptr : cells_->as<uint8_t>(); }

  const int threads_;
  const Value& x_;
  const Value& y_;
  const int64_t rows_;
  Pooling pooling_;
  const int64_t gradient_grain_;
  Buffer* cells_ = nullptr;
  std::vector<Image> images_;  // one per thread, for bfloat16
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const Pool2DOp& op) {
  return std::make_unique<Pool2D>(build, op);
}

}  // namespace sluice::backend::cpu
