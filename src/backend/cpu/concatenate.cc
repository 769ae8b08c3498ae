// Values one behind the other: rows of each input are copied, and copied back as gradients.
#include <cstring>

#include "backend/concatenation.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"

namespace sluice::backend::cpu {
namespace {

class Concatenate final : public Kernel {
 public:
  Concatenate(const Build& build, const ConcatenateOp& op)
      : threads_(build.device.threads),
        values_(build.values),
        element_(static_cast<int64_t>(size_of(values_.y.type))),
        concatenation_(concatenation_of(op, build.batch, values_)) {}

  void forward(Mode, uint64_t) override {
    for_each_piece([this](size_t input, int64_t in_y, int64_t in_x, size_t bytes) {
      std::memcpy(values_.y.data->as<char>() + in_y, values_.x[input].data->as<char>() + in_x,
                  bytes);
    });
  }

  void backward(uint64_t) override {
    for_each_piece([this](size_t input, int64_t in_y, int64_t in_x, size_t bytes) {
      const Buffer* dx = values_.x[input].gradient;
      if (dx == nullptr) return;
      std::memcpy(dx->as<char>() + in_x, values_.y.gradient->as<char>() + in_y, bytes);
    });
  }

 private:
  // Calls copy(input, place in y, place in the input, bytes) for each row of each input.
  template <typename Copy>
  void for_each_piece(const Copy& copy) const {
    const Concatenation& c = concatenation_;
    parallel_for(threads_, c.rows, 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t in_y = row * c.columns * element_;
        for (size_t input = 0; input < c.pieces.size(); ++input) {
          const int64_t bytes = c.pieces[input] * element_;
          copy(input, in_y, row * bytes, static_cast<size_t>(bytes));
          in_y += bytes;
        }
      }
    });
  }

  const int threads_;
  const StepValues& values_;
  const int64_t element_;  // bytes
  const Concatenation concatenation_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const ConcatenateOp& op) {
  return std::make_unique<Concatenate>(build, op);
}

}  // namespace sluice::backend::cpu
