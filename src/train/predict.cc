// Model::predict().
#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "core/count_text.h"
#include "core/parameter_set.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"
#include "train/inference.h"
#include "train/validate.h"

namespace sluice {
namespace {

std::vector<size_t> sizes_of(const std::vector<Shape>& shapes) {
  std::vector<size_t> sizes;
  for (const Shape& shape : shapes) sizes.push_back(static_cast<size_t>(shape.size()));
  return sizes;
}

size_t sum_of(const std::vector<size_t>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), size_t{0});
}

// Samples [begin, begin + count) of arrays whose samples have these sizes, as rows that have what
// the arrays do one after another.
void join(const std::vector<std::span<const float>>& arrays, const std::vector<size_t>& sizes,
          size_t begin, size_t count, std::vector<float>& rows) {
  const size_t row = sum_of(sizes);
  rows.resize(count * row);
  size_t at = 0;
  for (size_t k = 0; k < sizes.size(); at += sizes[k++]) {
    for (size_t i = 0; i < count; ++i) {
      std::copy_n(&arrays[k][(begin + i) * sizes[k]], sizes[k], &rows[i * row + at]);
    }
  }
}

// The reverse.
void split(const std::vector<float>& rows, const std::vector<size_t>& sizes, size_t begin,
           size_t count, std::vector<std::vector<float>>& arrays) {
  const size_t row = sum_of(sizes);
  size_t at = 0;
  for (size_t k = 0; k < sizes.size(); at += sizes[k++]) {
    for (size_t i = 0; i < count; ++i) {
      std::copy_n(&rows[i * row + at], sizes[k], &arrays[k][(begin + i) * sizes[k]]);
    }
  }
}

// The samples that predict() is given: an array for each input, of as many.
size_t samples_of(const Model& model, const std::vector<std::span<const float>>& x,
                  const std::vector<size_t>& inputs) {
  if (x.size() != inputs.size()) {
    throw ShapeError(fmt::format(
        "model \"{}\": predict() expected {}, got {}", model.name(),
        core::counted(static_cast<int64_t>(inputs.size()), "array", "arrays"), x.size()));
  }
  const size_t n = x.front().size() / inputs.front();
  for (size_t k = 0; k < inputs.size(); ++k) {
    if (x[k].empty() || x[k].size() % inputs[k] != 0) {
      throw ShapeError(
          fmt::format("model \"{}\": predict() expected a multiple of {} floats, got {}",
                      model.name(), inputs[k], x[k].size()));
    }
    if (x[k].size() == n * inputs[k]) continue;
    throw ShapeError(
        fmt::format("model \"{}\": predict() got {} samples for input {} and {} for the "
                    "first",
                    model.name(), x[k].size() / inputs[k], k, n));
  }
  return n;
}

}  // namespace

std::vector<float> Model::predict(std::span<const float> x, const PredictOptions& asked) const {
  (void)input_shape();   // one
  (void)output_shape();  // one
  return predict(std::vector{x}, asked).front();
}

std::vector<std::vector<float>> Model::predict(const std::vector<std::span<const float>>& x,
                                               const PredictOptions& asked) const {
  train::validate(asked);
  const std::vector<size_t> inputs = sizes_of(input_shapes());
  const std::vector<size_t> outputs = sizes_of(output_shapes());
  const size_t n = samples_of(*this, x, inputs);
  // No targets are compared: any loss fits.
  const auto key = train::key_of(
      asked, std::vector(outputs.size(), backend::GraphOutput{.loss = MeanSquaredError{}}), false);
  const auto replica = impl_->compiled.take(
      key, parameters(), [&] { return train::compile_for_inference(*this, key); });
  std::vector<std::vector<float>> y;
  for (const size_t size : outputs) y.emplace_back(n * size);
  // Of one input or output the rows are the array itself.
  std::vector<float> x_rows, y_rows;
  const auto batch = static_cast<size_t>(asked.batch_size);
  for (size_t begin = 0; begin < n; begin += batch) {
    const size_t count = std::min(batch, n - begin);
    std::span<const float> from = x.front().subspan(begin * inputs.front());
    if (inputs.size() > 1) {
      join(x, inputs, begin, count, x_rows);
      from = x_rows;
    }
    std::span<float> to = std::span(y.front()).subspan(begin * outputs.front());
    if (outputs.size() > 1) {
      y_rows.resize(count * sum_of(outputs));
      to = y_rows;
    }
    (*replica).predict(static_cast<int64_t>(count), from.first(count * sum_of(inputs)),
                       to.first(count * sum_of(outputs)));
    if (outputs.size() > 1) split(y_rows, outputs, begin, count, y);
  }
  return y;
}

}  // namespace sluice
