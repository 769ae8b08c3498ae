#include <cstdint>
#include <stdexcept>
#include <string>

#include "formats/onnx_reader.h"
#include "formats/onnx_writer.h"
#include "nn/lowering.h"
#include "sluice/errors.h"
#include "sluice/model.h"
#include "tests/fuzz/targets.h"

namespace sluice::fuzz {

// Of a file that was read, what is written is read again.
void run_onnx(std::string_view input) {
  try {
    const Model model = formats::parse_onnx(input, "/nowhere");
    constexpr size_t kSmall = 1 << 16;
    if (model.count_params() > kSmall) return;
    nn::lower(model, "mse");
    require(Model::from_json(model.to_json()).to_json() == model.to_json(),
            "the model's JSON is read again");
    require(!formats::onnx_bytes(model).empty(), "the model is written");
  } catch (const std::invalid_argument&) {
  } catch (const RuntimeError&) {
  }
}

}  // namespace sluice::fuzz
