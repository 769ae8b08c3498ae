// Elements that move: rows along the last axis are copied, or their gradients added up.
#include <algorithm>

#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/rearrangement.h"

namespace sluice::backend::cpu {
namespace {

using Axis = Rearrangement::Axis;

// Numbers of a row that are added up at once.
constexpr int64_t kPiece = 512;

void add_to(float* sums, int64_t n, const float* from) { add(n, from, sums); }
void add_to(float* sums, int64_t n, const Bfloat16* from) {
  float values[kPiece];
  convert(n, from, values);
  add(n, values, sums);
}
float value_of(float x) { return x; }
float value_of(Bfloat16 x) {
  float value = 0;
  convert(1, &x, &value);
  return value;
}
void store(int64_t n, const float* from, float* to) { std::copy_n(from, n, to); }
void store(int64_t n, const float* from, Bfloat16* to) { convert(n, from, to); }

// Where row number `row` of the loops over all axes but the last stands. `size_of` of an axis.
template <typename SizeOf>
class Position {
 public:
  Position(const Rearrangement& r, int64_t row, SizeOf size_of) : r_(r), size_of_(size_of) {
    for (int k = r.count - 1; k-- > 0;) {
      at_[k] = row % size_of(r.axes[k]);
      row /= size_of(r.axes[k]);
    }
  }
  int64_t operator[](int axis) const { return at_[axis]; }
  void next() {
    for (int k = r_.count - 1; k-- > 0;) {
      if (++at_[k] < size_of_(r_.axes[k])) return;
      at_[k] = 0;
    }
  }

 private:
  const Rearrangement& r_;
  const SizeOf size_of_;
  int64_t at_[Rearrangement::kMostAxes] = {};
};

// y's rows [begin, end).
template <typename T>
void gather(const Rearrangement& r, int64_t begin, int64_t end, const T* x, T* y) {
  const Axis& last = r.axes[r.count - 1];
  Position at(r, begin, [](const Axis& axis) { return axis.size; });
  for (int64_t row = begin; row < end; ++row, at.next()) {
    T* to = y + row * last.size;
    int64_t offset = 0;
    bool inside = true;
    for (int k = 0; k < r.count - 1; ++k) {
      const Axis& axis = r.axes[k];
      const int64_t i = (axis.repeat == 1 ? at[k] : at[k] / axis.repeat) - axis.before;
      inside = inside && i >= 0 && i < axis.in_size;
      offset += i * axis.in_stride;
    }
    if (!inside) {
      std::fill_n(to, last.size, T{});
      continue;
    }
    // From here on the row is inside of x, and up to there.
    const int64_t first = std::clamp<int64_t>(last.before * last.repeat, 0, last.size);
    const int64_t behind =
        std::clamp<int64_t>((last.before + last.in_size) * last.repeat, first, last.size);
    std::fill_n(to, first, T{});
    if (last.repeat == 1 && last.in_stride == 1) {
      std::copy_n(x + offset + first - last.before, behind - first, to + first);
    } else {
      for (int64_t o = first; o < behind; ++o) {
        to[o] = x[offset + (o / last.repeat - last.before) * last.in_stride];
      }
    }
    std::fill(to + behind, to + last.size, T{});
  }
}

// What the places of y that an element of x went to have as gradients, for pieces of x's rows.
template <typename T>
class Sums {
 public:
  // Axes in the order of x.
  Sums(const Rearrangement& r, const T* dy) : r_(r), last_(r.count - 1), dy_(dy) {}

  // x's rows [begin, end).
  void write(int64_t begin, int64_t end, T* dx) {
    const int64_t columns = r_.axes[last_].in_size;
    Position at(r_, begin, [](const Axis& axis) { return axis.in_size; });
    for (int64_t row = begin; row < end; ++row, at.next()) {
      for (int k = 0; k < last_; ++k) {
        const Axis& axis = r_.axes[k];
        first_[k] = std::max<int64_t>((at[k] + axis.before) * axis.repeat, 0);
        behind_[k] = std::min((at[k] + axis.before + 1) * axis.repeat, axis.size);
      }
      for (int64_t i = 0; i < columns; i += kPiece) {
        const int64_t n = std::min(kPiece, columns - i);
        std::fill_n(sums_, n, 0.0f);
        add_axis(0, 0, i, n);
        store(n, sums_, dx + row * columns + i);
      }
    }
  }

 private:
  void add_axis(int k, int64_t offset, int64_t i, int64_t n) {
    if (k == last_) return add_row(offset, i, n);
    for (int64_t o = first_[k]; o < behind_[k]; ++o) {
      add_axis(k + 1, offset + o * r_.axes[k].stride, i, n);
    }
  }

  void add_row(int64_t offset, int64_t i, int64_t n) {
    const Axis& axis = r_.axes[last_];
    if (axis.repeat == 1) {
      const int64_t first = std::clamp<int64_t>(-axis.before - i, 0, n);
      const int64_t behind = std::clamp(axis.size - axis.before - i, first, n);
      const T* from = dy_ + offset + (i + axis.before) * axis.stride;
      if (axis.stride == 1) {
        add_to(sums_ + first, behind - first, from + first);
      } else {
        for (int64_t j = first; j < behind; ++j) sums_[j] += value_of(from[j * axis.stride]);
      }
      return;
    }
    for (int64_t j = 0; j < n; ++j) {
      const int64_t first = (i + j + axis.before) * axis.repeat;
      const int64_t behind = std::min(first + axis.repeat, axis.size);
      for (int64_t o = std::max<int64_t>(first, 0); o < behind; ++o) {
        sums_[j] += value_of(dy_[offset + o * axis.stride]);
      }
    }
  }

  const Rearrangement& r_;
  const int last_;
  const T* const dy_;
  int64_t first_[Rearrangement::kMostAxes], behind_[Rearrangement::kMostAxes];
  float sums_[kPiece];
};

template <typename T>
class Rearrange final : public Kernel {
 public:
  Rearrange(const Build& build, const RearrangeOp& op)
      : threads_(build.device.threads),
        x_(build.x()),
        y_(build.y()),
        forward_(rearrangement_of(op, build.batch, x_.shape, y_.shape, y_.layout)),
        backward_(in_order_of_input(forward_)) {}

  void forward(Mode, uint64_t) override {
    const int64_t rows = forward_.size / forward_.axes[forward_.count - 1].size;
    parallel_for(threads_, rows, 1, [this](int64_t begin, int64_t end) {
      gather(forward_, begin, end, x_.data->as<T>(), y_.data->as<T>());
    });
  }

  void backward(uint64_t) override {
    if (x_.gradient == nullptr) return;
    const int64_t rows = backward_.in_size / backward_.axes[backward_.count - 1].in_size;
    parallel_for(threads_, rows, 1, [this](int64_t begin, int64_t end) {
      Sums<T>(backward_, y_.gradient->as<T>()).write(begin, end, x_.gradient->as<T>());
    });
  }

 private:
  const int threads_;
  const Value& x_;
  const Value& y_;
  const Rearrangement forward_, backward_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const RearrangeOp& op) {
  if (build.y().type == Type::kFloat32) return std::make_unique<Rearrange<float>>(build, op);
  return std::make_unique<Rearrange<Bfloat16>>(build, op);
}

}  // namespace sluice::backend::cpu
