// Models as Keras wrote them, written as files for other programs and, of ONNX, read again. With
// $SLUICE_KERAS_CASES they go into its folder "exports", where compare_onnx.py has those programs
// read them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "backend/replica.h"
#include "formats/onnx_reader.h"
#include "formats/onnx_writer.h"
#include "formats/saved_model.h"
#include "nn/lowering.h"
#include "tests/keras/golden.h"

namespace sluice::keras {
namespace {

// Of models whose arithmetic is written in operators that no layer of ours has by itself: what the
// reader says of them.
const std::map<std::string, std::string>& unreadable() {
  static const std::map<std::string, std::string> kUnreadable = {
      {"group_norm_over_axis_1", "operator Mul of node \"group_normalization/Mul_1\""},
      {"group_norm_over_axis_2", "operator Mul of node \"group_normalization/Mul_1\""},
      {"up_sampling_2d_lanczos3", "operator MatMul of node \"up_sampling2d\""},
      {"up_sampling_2d_lanczos5", "operator MatMul of node \"up_sampling2d\""},
  };
  return kUnreadable;
}

class ExportTest : public testing::Test {
 public:
  ExportTest(const Json& record, std::string name) : record_(record), name_(std::move(name)) {}

  void TestBody() override {
    const Model model = model_of(record_);
    const std::string onnx = formats::onnx_bytes(model);
    EXPECT_FALSE(formats::saved_model_bytes(model).empty());
    if (!named_folder().empty()) write(model, onnx);
    const auto refused = unreadable().find(name_);
    if (refused == unreadable().end()) {
      compare(model, onnx);
      return;
    }
    try {
      formats::parse_onnx(onnx, "");
      ADD_FAILURE() << "was read";
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find(refused->second), std::string::npos) << error.what();
    }
  }

 private:
  void write(const Model& model, const std::string& onnx) const {
    const std::filesystem::path folder = named_folder() / "exports";
    std::filesystem::create_directories(folder);
    std::ofstream(folder / (name_ + ".onnx"), std::ios::binary) << onnx;
    const std::filesystem::path saved_model = folder / (name_ + ".saved_model");
    std::filesystem::remove_all(saved_model);
    ASSERT_TRUE(formats::write_saved_model(saved_model, model).ok());
    std::ofstream(saved_model / "order.json")
        << Json{{"inputs", model.input_names()}, {"outputs", model.output_names()}};
  }

  // What is read again gives what Keras does, from the same inputs.
  void compare(const Model& model, const std::string& onnx) const {
    const Model read = formats::parse_onnx(onnx, "");
    EXPECT_EQ(read.input_shapes(), model.input_shapes());
    EXPECT_EQ(read.output_shapes(), model.output_shapes());
    EXPECT_EQ(Model::from_json(read.to_json()).to_json(), read.to_json());
    const int64_t batch = record_.at("batch");
    const auto backend = backend::open_backend({.name = "cpu"});
    ASSERT_TRUE(backend.ok());
    const auto replica =
        (*backend)->compile(nn::lower(read, "mse"), {.batch_size = batch, .threads = 1});
    std::ranges::copy(read.parameters().values(), replica->parameters().begin());
    replica->parameters_changed();
    const std::vector<float> expected = floats_of(record_.at("numbers").at("outputs"));
    std::vector<float> got(static_cast<size_t>(batch * replica->graph().output_size()));
    replica->predict(batch, floats_of(record_.at("x")), got);
    ASSERT_EQ(got.size(), expected.size());
    const double tolerance = tolerance_of(record_, "outputs");
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_LE(std::abs(static_cast<double>(got[i]) - expected[i]), tolerance) << i;
    }
  }

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
