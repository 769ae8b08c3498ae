#include "nn/initializers.h"

#include <fmt/core.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <vector>

namespace sluice::nn {
namespace {

enum class Draw {
  kConstant,
  kUniform,
  kNormal,
  kTruncatedNormal,
  kVarianceScaling,
  kOrthogonal,
  kIdentity
};

// `parameters` of variance_scaling() are those of a row that has it under another name.
struct Row {
  const char* name;
  const char* keras_class;
  Draw draw;
  std::vector<Parameter> parameters;
  Config variance_scaling = {};
  std::vector<const char*> aliases = {};
};

Row scaled(const char* name, const char* keras_class, double scale, const char* mode,
           const char* distribution) {
  return {name,
          keras_class,
          Draw::kVarianceScaling,
          {},
          {{"scale", scale}, {"mode", mode}, {"distribution", distribution}}};
}

const std::vector<Row>& rows() {
  constexpr const char *kAverage = "fan_avg", *kIn = "fan_in";
  constexpr const char *kUniform = "uniform", *kNormal = "truncated_normal";
  static const std::vector<Row> all = {
      scaled("glorot_uniform", "GlorotUniform", 1, kAverage, kUniform),
      scaled("glorot_normal", "GlorotNormal", 1, kAverage, kNormal),
      scaled("he_uniform", "HeUniform", 2, kIn, kUniform),
      scaled("he_normal", "HeNormal", 2, kIn, kNormal),
      scaled("lecun_uniform", "LecunUniform", 1, kIn, kUniform),
      scaled("lecun_normal", "LecunNormal", 1, kIn, kNormal),
      {"variance_scaling",
       "VarianceScaling",
       Draw::kVarianceScaling,
       {{"scale", 1.0}, {"mode", kIn}, {"distribution", kNormal}}},
      {"zeros", "Zeros", Draw::kConstant, {}, {}, {"zero"}},
      {"ones", "Ones", Draw::kConstant, {}, {}, {"one"}},
      {"constant", "Constant", Draw::kConstant, {{"value", 0.0}}},
      {"random_normal",
       "RandomNormal",
       Draw::kNormal,
       {{"mean", 0.0}, {"stddev", 0.05}},
       {},
       {"normal"}},
      {"truncated_normal",
       "TruncatedNormal",
       Draw::kTruncatedNormal,
       {{"mean", 0.0}, {"stddev", 0.05}}},
      {"random_uniform",
       "RandomUniform",
       Draw::kUniform,
       {{"minval", -0.05}, {"maxval", 0.05}},
       {},
       {"uniform"}},
      {"orthogonal",
       "Orthogonal",
       Draw::kOrthogonal,
       {{"gain", 1.0}},
       {},
       {"OrthogonalInitializer"}},
      {"identity", "Identity", Draw::kIdentity, {{"gain", 1.0}}, {}, {"IdentityInitializer"}},
  };
  return all;
}

const Row* find_row(const std::string& name) {
  for (const Row& row : rows()) {
    if (name == row.name || name == row.keras_class) return &row;
    if (std::find(row.aliases.begin(), row.aliases.end(), name) != row.aliases.end()) return &row;
  }
  return nullptr;
}

double number(const Config& arguments, const Row& row, const char* key) {
  for (const Parameter& parameter : row.parameters) {
    if (parameter.key == std::string_view(key)) {
      return arguments.get_double(key, std::get<double>(parameter.fallback));
    }
  }
  return 0;
}

// --- Checks ---

[[noreturn]] void refuse(const Argument& argument, const Initializer& initializer,
                         const std::string& what) {
  throw std::invalid_argument(fmt::format("{}: {} = \"{}\": {}", argument.layer_class,
                                          argument.name, initializer.name, what));
}

void check_numbers(const Argument& argument, const Initializer& initializer, const Row& row) {
  const Config& arguments = initializer.arguments;
  if (number(arguments, row, "stddev") < 0) refuse(argument, initializer, "stddev is negative");
  if (row.draw == Draw::kUniform &&
      number(arguments, row, "minval") > number(arguments, row, "maxval")) {
    refuse(argument, initializer, "minval is larger than maxval");
  }
  const double width = number(arguments, row, "maxval") - number(arguments, row, "minval");
  if (!std::isfinite(static_cast<float>(width))) {
    refuse(argument, initializer, "minval and maxval are too far apart for float32");
  }
}

// Of the arguments of variance_scaling(): in full, names of distributions by their new ones.
Config full_scaling(const Config& arguments) {
  std::string distribution = arguments.get_string("distribution", "truncated_normal");
  if (distribution == "normal") distribution = "truncated_normal";
  return {{"scale", arguments.get_double("scale", 1)},
          {"mode", arguments.get_string("mode", "fan_in")},
          {"distribution", distribution}};
}

void check_scaling(const Argument& argument, const Initializer& initializer, const Config& full) {
  if (full.get_double("scale", 0) <= 0) refuse(argument, initializer, "scale must be above 0");
  const std::string mode = full.get_string("mode", "");
  if (mode != "fan_in" && mode != "fan_out" && mode != "fan_avg") {
    refuse(argument, initializer,
           fmt::format("mode \"{}\": use \"fan_in\", \"fan_out\" or \"fan_avg\"", mode));
  }
  const std::string distribution = full.get_string("distribution", "");
  if (distribution != "uniform" && distribution != "truncated_normal" &&
      distribution != "untruncated_normal") {
    refuse(argument, initializer,
           fmt::format("distribution \"{}\": use \"uniform\", \"truncated_normal\" or "
                       "\"untruncated_normal\"",
                       distribution));
  }
}

// --- Numbers ---

float truncated_normal(core::Rng& rng) {
  for (;;) {
    const float value = rng.normal();
    if (std::abs(value) <= 2) return value;
  }
}

void fill_scaled(const Config& full, const Shape& shape, core::Rng& rng, std::span<float> values) {
  // Standard deviation of a standard normal distribution that is cut at -2 and 2.
  constexpr double kTruncatedDeviation = 0.87962566103423978;
  const Fans fans = compute_fans(shape);
  const std::string mode = full.get_string("mode", "");
  const double n = mode == "fan_in"    ? fans.in
                   : mode == "fan_out" ? fans.out
                                       : (fans.in + fans.out) / 2;
  const double variance = full.get_double("scale", 1) / std::max(1.0, n);
  const std::string distribution = full.get_string("distribution", "");
  if (distribution == "uniform") {
    const auto limit = static_cast<float>(std::sqrt(3 * variance));
    for (float& value : values) value = rng.uniform(-limit, limit);
  } else if (distribution == "untruncated_normal") {
    const auto deviation = static_cast<float>(std::sqrt(variance));
    for (float& value : values) value = deviation * rng.normal();
  } else {
    const auto deviation = static_cast<float>(std::sqrt(variance) / kTruncatedDeviation);
    for (float& value : values) value = deviation * truncated_normal(rng);
  }
}

// Q of a random matrix whose R has a positive diagonal, which makes it the only one.
void fill_orthogonal(double gain, const Shape& shape, core::Rng& rng, std::span<float> values) {
  using Matrix = Eigen::MatrixXf;
  const int64_t columns = shape.dims().back(), rows = shape.size() / columns;
  const int64_t more = std::max(rows, columns), fewer = std::min(rows, columns);
  Matrix random(more, fewer);
  for (Eigen::Index i = 0; i < random.size(); ++i) random.data()[i] = rng.normal();
  const Eigen::HouseholderQR<Matrix> qr(random);
  Matrix q = qr.householderQ() * Matrix::Identity(more, fewer);
  for (int64_t j = 0; j < fewer; ++j) {
    if (qr.matrixQR()(j, j) < 0) q.col(j) *= -1;
  }
  q *= static_cast<float>(gain);
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<RowMajor> weight(values.data(), rows, columns);
  if (rows >= columns) {
    weight = q;
  } else {
    weight = q.transpose();
  }
}

}  // namespace

Fans compute_fans(const Shape& shape) {
  if (shape.rank() == 0) return {};
  const auto last = static_cast<double>(shape[shape.rank() - 1]);
  if (shape.rank() == 1) return {last, last};
  double receptive = 1;
  for (int axis = 0; axis < shape.rank() - 2; ++axis) {
    receptive *= static_cast<double>(shape[axis]);
  }
  return {static_cast<double>(shape[shape.rank() - 2]) * receptive, last * receptive};
}

Initializer parse_initializer(const Argument& argument, const Initializer& initializer) {
  const Row* const row = find_row(initializer.name);
  if (row == nullptr) refuse(argument, initializer, "use one of " + initializer_names());
  Config given = initializer.arguments;
  given.set("seed", {});
  for (const char* axes : {"input_axes", "output_axes"}) {
    const ConfigValue* const value = given.find(axes);
    const bool none = value == nullptr || std::holds_alternative<std::monostate>(*value);
    if (!none) refuse(argument, initializer, fmt::format("Sluice does not have {}", axes));
    given.set(axes, {});
  }
  Initializer result(row->name, take_arguments(argument, row->name, given, row->parameters));
  check_numbers(argument, result, *row);
  if (result.name != "variance_scaling") return result;
  const Config full = full_scaling(result.arguments);
  check_scaling(argument, result, full);
  for (const Row& other : rows()) {
    if (other.variance_scaling == full) return {other.name};
  }
  return {result.name, take_arguments(argument, row->name, full, row->parameters)};
}

bool is_initializer(const std::string& name) { return find_row(name) != nullptr; }

std::string shape_problem(const Initializer& initializer, const Shape& shape) {
  const Draw draw = find_row(initializer.name)->draw;
  if (draw == Draw::kIdentity && shape.rank() != 2) return "identity makes matrices [n, m] only";
  if (draw == Draw::kOrthogonal && shape.rank() < 2) return "orthogonal needs two axes or more";
  return "";
}

void fill(const Initializer& initializer, const Shape& shape, core::Rng& rng,
          std::span<float> values) {
  const Row& row = *find_row(initializer.name);
  const auto argument = [&](const char* key) {
    return static_cast<float>(number(initializer.arguments, row, key));
  };
  switch (row.draw) {
    case Draw::kConstant:
      std::fill(values.begin(), values.end(), initializer == "ones" ? 1.0f : argument("value"));
      return;
    case Draw::kUniform:
      for (float& value : values) value = rng.uniform(argument("minval"), argument("maxval"));
      return;
    case Draw::kNormal:
      for (float& value : values) value = argument("mean") + argument("stddev") * rng.normal();
      return;
    case Draw::kTruncatedNormal:
      for (float& value : values) {
        value = argument("mean") + argument("stddev") * truncated_normal(rng);
      }
      return;
    case Draw::kVarianceScaling:
      return fill_scaled(
          row.parameters.empty() ? row.variance_scaling : full_scaling(initializer.arguments),
          shape, rng, values);
    case Draw::kOrthogonal:
      return fill_orthogonal(argument("gain"), shape, rng, values);
    case Draw::kIdentity:
      std::fill(values.begin(), values.end(), 0.0f);
      for (int64_t i = 0; i < std::min(shape[0], shape[1]); ++i) {
        values[static_cast<size_t>(i * shape[1] + i)] = argument("gain");
      }
      return;
  }
}

ConfigObject keras_object(const Initializer& initializer) {
  const Row& row = *find_row(initializer.name);
  Config arguments;
  for (const Parameter& parameter : row.parameters) {
    const ConfigValue* const given = initializer.arguments.find(parameter.key);
    arguments.set(parameter.key, given == nullptr ? parameter.fallback : *given);
  }
  const bool draws = row.draw != Draw::kConstant && row.draw != Draw::kIdentity;
  if (draws) arguments.set("seed", {});
  return {row.keras_class, arguments};
}

std::string initializer_names() {
  std::string names;
  for (const Row& row : rows()) {
    if (!names.empty()) names += ", ";
    names += row.name;
  }
  return names;
}

}  // namespace sluice::nn
