// Models as Keras wrote them, written as files for other programs. With $SLUICE_KERAS_CASES they go
// into its folder "exports", where compare_onnx.py has those programs read them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "formats/onnx_writer.h"
#include "formats/saved_model.h"
#include "tests/keras/golden.h"

namespace sluice::keras {
namespace {

class ExportTest : public testing::Test {
 public:
  ExportTest(const Json& record, std::string name) : record_(record), name_(std::move(name)) {}

  void TestBody() override {
    const Model model = model_of(record_);
    const std::string onnx = formats::onnx_bytes(model);
    EXPECT_FALSE(onnx.empty());
    EXPECT_FALSE(formats::saved_model_bytes(model).empty());
    if (named_folder().empty()) return;
    const std::filesystem::path folder = named_folder() / "exports";
    std::filesystem::create_directories(folder);
    std::ofstream(folder / (name_ + ".onnx"), std::ios::binary) << onnx;
    const std::filesystem::path saved_model = folder / (name_ + ".saved_model");
    std::filesystem::remove_all(saved_model);
    formats::write_saved_model(saved_model, model);
    std::ofstream(saved_model / "order.json")
        << Json{{"inputs", model.input_names()}, {"outputs", model.output_names()}};
  }

 private:
  const Json& record_;
  const std::string name_;
};

const bool kRegistered = [] {
  for (const auto& [file, records] : golden_files()) {
    for (const auto& item : records.items()) {
      const Json& record = item.value();
      testing::RegisterTest(("export_" + file).c_str(), item.key().c_str(), nullptr, nullptr,
                            __FILE__, __LINE__, [&record, name = item.key()]() -> testing::Test* {
                              return new ExportTest(record, name);
                            });
    }
  }
  return true;
}();

}  // namespace
}  // namespace sluice::keras
