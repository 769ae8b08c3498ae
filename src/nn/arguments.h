// Checks and conversions of layers' arguments.
//
// Everything here that fails throws std::invalid_argument, or ShapeError where that is said, with
// the class and the argument in front: `Conv2D: filters = 0: must be at least 1`.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "sluice/activations.h"
#include "sluice/layer.h"
#include "sluice/layers/border2d.h"
#include "sluice/layers/size2d.h"

namespace sluice::nn {

// An argument's place in messages.
struct Argument {
  const char* layer_class;
  const char* name;
};

// Settings without a default: `has no "units"`.
void require_keys(const Config& config, std::initializer_list<const char*> keys);
// From 1 to 2^31 - 1.
void require_size(const Argument& argument, int64_t value);
void require_size(const Argument& argument, const Size2D& value);
// From 0 to 2^31 - 1 on every side.
void require_border(const Argument& argument, const Border1D& value);
void require_border(const Argument& argument, const Border2D& value);
// "valid" or "same", and "causal".
void require_padding(const Argument& argument, const std::string& value);
void require_causal_padding(const Argument& argument, const std::string& value);

// Conv2D: filters = 0: `allowed`.
[[noreturn]] void refuse_number(const Argument& argument, double value, const std::string& allowed);

// An argument that a function or an initializer takes, whose type is that of its default; null: a
// number or none.
struct Parameter {
  const char* key;
  ConfigValue fallback;
};
// Those of `given` that are not null and not the default, in the order of `known`. Throws for one
// that is not among `known`, or of another type, or a number that is not finite as float32;
// `function` in the message.
Config take_arguments(const Argument& argument, const std::string& function, const Config& given,
                      const std::vector<Parameter>& known);

// What is under the key, a name or an object, or `fallback` when it is absent or null.
ActivationFunction get_activation(const Config& config, const std::string& key,
                                  const ActivationFunction& fallback);
Initializer get_initializer(const Config& config, const std::string& key,
                            const Initializer& fallback);
// The reverse: the name alone where there are no arguments.
ConfigValue to_value(const ConfigObject& object);

// A number, or a list of one, as Keras 2 writes it.
int64_t get_axis(const Config& config, const std::string& key, int64_t fallback);

// A number or a list of them; `fallback` when the key is absent or null.
std::vector<int64_t> get_axes(const Config& config, const std::string& key,
                              const std::vector<int64_t>& fallback);
// The reverse: one as a number.
ConfigValue axes_value(const std::vector<int64_t>& axes);

// [h, w], or one number for both, or `fallback` when the key is absent.
Size2D get_size2d(const Config& config, const std::string& key, const Size2D& fallback);
// One number, also in a list, or `fallback`.
int64_t get_size1d(const Config& config, const std::string& key, int64_t fallback);
std::vector<int64_t> to_list(const Size2D& size);
std::vector<int64_t> to_list(int64_t size);

// [before, after], or one number for both sides, or `fallback` when the key is absent.
Border1D get_border1d(const Config& config, const std::string& key, const Border1D& fallback);
// [[top, bottom], [left, right]], or [h, w] or one number, the same on both sides; or `fallback`.
Border2D get_border2d(const Config& config, const std::string& key, const Border2D& fallback);
std::vector<int64_t> to_list(const Border1D& border);
std::vector<std::vector<int64_t>> to_lists(const Border2D& border);

// Throws ShapeError, in `layer`'s name, for an input of another rank.
void require_rank(const Layer& layer, int rank, const Shape& input);

// An axis as Keras counts them, the batch being 0 and -1 the last, as one of a shape without the
// batch. Throws ShapeError, in `layer`'s name, for the batch and for what there is not.
int axis_of(const Layer& layer, int64_t axis, const Shape& shape);

// Throws ShapeError, in `layer`'s name, unless every size of `shape` is at least 1 and there are at
// most 2^40 elements. `what` in the message: "output", "weight \"kernel\"".
void require_countable(const Layer& layer, const std::string& what, const Shape& shape);

// Throws ShapeError: Dense "dense_1": expected `expected`, got [28, 28, 1].
[[noreturn]] void throw_shape_error(const Layer& layer, const std::string& expected,
                                    const Shape& got);

}  // namespace sluice::nn
