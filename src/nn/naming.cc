#include "nn/naming.h"

#include <fmt/core.h>

#include <algorithm>

namespace sluice::nn {
namespace {

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

}  // namespace

// Keras' two substitutions, (.)([A-Z][a-z]+) to \1_\2 and ([a-z])([A-Z]) to \1_\2, put an
// underscore in front of a capital that starts a word or follows a small letter.
std::string snake_case(const std::string& class_name) {
  std::string name;
  for (size_t i = 0; i < class_name.size(); ++i) {
    const char c = class_name[i];
    const bool starts_word = i + 1 < class_name.size() && is_lower(class_name[i + 1]);
    const bool follows_small = i > 0 && is_lower(class_name[i - 1]);
    if (i > 0 && is_upper(c) && (starts_word || follows_small)) name += '_';
    name += is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return name;
}

std::string next_name(const std::string& class_name,
                      const std::vector<std::unique_ptr<Layer>>& layers) {
  const std::string base = snake_case(class_name);
  std::string name = base;
  const auto is_taken = [&] {
    return std::any_of(layers.begin(), layers.end(),
                       [&](const auto& layer) { return layer->name() == name; });
  };
  for (int i = 1; is_taken(); ++i) name = fmt::format("{}_{}", base, i);
  return name;
}

}  // namespace sluice::nn
