// What a dataset did to its records before a model saw them. It goes where the model goes, in the
// files that Model::save() writes, so that who uses the model later can do the same to new ones.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/shape.h"

namespace sluice {

struct Preprocessing {
  Shape sample_shape;  // of one record, as the model takes it: [28, 28, 1]
  // x = value * scale, for values as they are stored: 1/255 for images of bytes. None: it is not
  // known; tables are then taken as they are, and images not at all.
  std::optional<float> scale = 1.0f;
  // Of a table: the names of the columns that are features, in the model's order, and of the one
  // that is to be predicted. Empty where records come from none.
  std::vector<std::string> columns{};
  std::string target{};
  std::vector<std::string> ignored{};      // columns that are neither
  std::vector<std::string> class_names{};  // of class 0, 1, ...; empty where they have numbers only

  friend bool operator==(const Preprocessing&, const Preprocessing&) = default;

  // As JSON, an object with these fields and "version": 1.
  std::string to_json() const;
  // Throws std::invalid_argument for anything that to_json() does not write.
  static Preprocessing from_json(std::string_view json);
};

}  // namespace sluice
