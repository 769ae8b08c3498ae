#include "sluice/model.h"

#include <cctype>
#include <stdexcept>
#include <string>

#include "nn/lowering.h"
#include "tests/fuzz/targets.h"

namespace sluice::fuzz {
namespace {

// Models of some GB are no mistake, but take their time: of numbers only those are tried that give
// a small one, or one that no machine has the memory for.
bool is_small_or_impossible(std::string_view json) {
  constexpr size_t kSmall = 2, kImpossible = 13;  // digits
  size_t digits = 0;
  for (size_t i = 0; i <= json.size(); ++i) {
    if (i < json.size() && std::isdigit(static_cast<unsigned char>(json[i]))) {
      ++digits;
      continue;
    }
    const bool fraction = digits < i && json[i - digits - 1] == '.';
    if (digits > kSmall && digits < kImpossible && !fraction) return false;
    digits = 0;
  }
  return true;
}

}  // namespace

void run_model(std::string_view input) {
  if (!is_small_or_impossible(input)) return;
  try {
    const Model model = Model::from_json(input);
    const std::string json = model.to_json();
    if (is_small_or_impossible(json)) {
      require(Model::from_json(json).to_json() == json, "what is written is read again");
    }
    if (!model.built()) return;
    model.summary();
    nn::lower(model, "mse");
  } catch (const std::invalid_argument&) {
  }
}

}  // namespace sluice::fuzz
