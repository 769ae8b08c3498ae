// Files as Keras saved them (make_files.py): what they predict, how the training goes on, and what
// becomes of them when they are written and read again. What is written also goes into the folder
// $SLUICE_KERAS_FILES, for compare_files.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "backend/replica.h"
#include "core/parameter_set.h"
#include "formats/keras_files.h"
#include "nn/lowering.h"
#include "nn/model_impl.h"

namespace sluice::formats {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using testing::FloatNear;
using testing::Pointwise;

const fs::path kFolder = SLUICE_SOURCE_DIR "/tests/keras/files";

std::string content_of(const std::string& name) {
  std::ifstream in(kFolder / name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct File {
  std::string model, ending;

  std::string name() const { return model + "." + ending; }
  bool is_weights() const { return ending.starts_with("weights"); }
  bool is_of_keras2() const { return model.starts_with("keras2"); }
  Json golden() const { return Json::parse(content_of(model + ".json")); }

  Model read() const {
    const std::string bytes = content_of(name());
    if (ending == "keras") return parse_keras(bytes);
    if (ending == "h5") return parse_h5(bytes);
    Model read = parse_keras(content_of(model + ".keras"));
    read.initialize(5);
    read.impl().training.reset();
    load_h5_weights(bytes, read);
    return read;
  }
};

std::vector<File> all_files() {
  std::vector<File> files;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".json") continue;
    const std::string model = entry.path().stem();
    const Json golden = File{model, ""}.golden();
    for (const std::string ending : golden.at("files")) {
      files.push_back({model, ending});
    }
  }
  std::ranges::sort(files, {}, &File::name);
  return files;
}

std::vector<std::vector<float>> floats_of(const Json& json) {
  return json.get<std::vector<std::vector<float>>>();
}

// Each sample's parts of all arrays behind one another, as a batch has them.
std::vector<float> rows_of(const std::vector<std::vector<float>>& arrays, size_t samples) {
  std::vector<float> rows;
  for (size_t n = 0; n < samples; ++n) {
    for (const std::vector<float>& array : arrays) {
      const auto size = static_cast<std::ptrdiff_t>(array.size() / samples);
      const auto begin = array.begin() + static_cast<std::ptrdiff_t>(n) * size;
      rows.insert(rows.end(), begin, begin + size);
    }
  }
  return rows;
}

constexpr int64_t kSamples = 6;

std::unique_ptr<backend::Replica> compile(const Model& model, const nn::TrainingState& training) {
  std::vector<backend::GraphOutput> outputs;
  for (const std::string& name : model.output_names()) {
    const auto loss = training.losses.find(name);
    const auto weight = training.loss_weights.find(name);
    outputs.push_back(
        {.loss = loss == training.losses.end() ? training.loss : loss->second,
         .weight = weight == training.loss_weights.end() ? 1 : static_cast<float>(weight->second)});
  }
  const auto backend = backend::open_backend({.name = "cpu"});
  if (!backend.ok()) throw std::runtime_error(backend.status().to_string());
  auto replica = (*backend)->compile(nn::lower(model, std::move(outputs)),
                                     {.batch_size = kSamples, .optimizer = training.optimizer});
  const auto values = model.parameters().values();
  std::copy(values.begin(), values.end(), replica->parameters().begin());
  replica->parameters_changed();
  return replica;
}

// What three more steps make of it.
std::vector<float> trained(const Model& model, const Json& golden) {
  const auto replica = compile(model, *model.impl().training);
  replica->restore_optimizer(model.impl().training->optimizer_state);
  const std::vector<float> x = rows_of(floats_of(golden.at("x")), kSamples);
  const std::vector<float> y = rows_of(floats_of(golden.at("y")), kSamples);
  for (int step = 0; step < 3; ++step) replica->train_step({kSamples, x, y});
  return {replica->parameters().begin(), replica->parameters().end()};
}

class KerasFileTest : public testing::TestWithParam<File> {
 protected:
  const Json golden_ = GetParam().golden();
};

TEST_P(KerasFileTest, PredictsWhatKerasDoes) {
  const Model model = GetParam().read();
  const auto replica = compile(model, model.impl().training.value_or(nn::TrainingState{}));
  const std::vector<float> x = rows_of(floats_of(golden_.at("x")), kSamples);
  std::vector<float> outputs(static_cast<size_t>(kSamples * replica->graph().output_size()));
  replica->predict(kSamples, x, outputs);
  const std::vector<float> expected = rows_of(floats_of(golden_.at("predictions")), kSamples);
  EXPECT_THAT(outputs, Pointwise(FloatNear(1e-5f), expected));
}

TEST_P(KerasFileTest, TrainsOnAsKerasDoes) {
  const Model model = GetParam().read();
  if (GetParam().is_weights()) {
    EXPECT_FALSE(model.impl().training.has_value());
    return;
  }
  ASSERT_TRUE(model.impl().training.has_value());
  EXPECT_EQ(model.impl().training->optimizer_state.iterations, golden_.at("iterations"));
  const std::vector<float> got = trained(model, golden_);
  const auto expected = golden_.at("trained").get<std::vector<float>>();
  ASSERT_EQ(got.size(), expected.size());
  for (const core::Variable& variable : model.parameters().layout().variables()) {
    // On images Keras 2's is that of a sample, of n - 1 for n.
    if (GetParam().is_of_keras2() && variable.name.ends_with("moving_variance")) continue;
    for (size_t i = variable.offset; i < variable.offset + variable.size(); ++i) {
      EXPECT_NEAR(got[i], expected[i], 2e-5) << variable.name;
    }
  }
}

void expect_same(const Model& a, const Model& b, bool with_optimizer) {
  EXPECT_EQ(a.to_json(), b.to_json());
  EXPECT_THAT(a.parameters().values(), testing::ElementsAreArray(b.parameters().values()));
  EXPECT_EQ(a.impl().preprocessing, b.impl().preprocessing);
  const auto &of_a = a.impl().training, &of_b = b.impl().training;
  ASSERT_EQ(of_a.has_value(), of_b.has_value());
  if (!of_a) return;
  EXPECT_EQ(of_a->optimizer, of_b->optimizer);
  EXPECT_EQ(of_a->loss_weights, of_b->loss_weights);
  EXPECT_EQ(of_a->metrics.size(), of_b->metrics.size());
  if (!with_optimizer) return;
  EXPECT_EQ(of_a->optimizer_state.iterations, of_b->optimizer_state.iterations);
  EXPECT_EQ(of_a->optimizer_state.slots, of_b->optimizer_state.slots);
}

TEST_P(KerasFileTest, IsTheSameWhenItIsWrittenAndReadAgain) {
  Model model = GetParam().read();
  model.impl().preprocessing =
      Preprocessing{.sample_shape = {3}, .scale = 0.5f, .class_names = {"no", "y\xc3\xa9s"}};
  const std::string keras = keras_bytes(model), h5 = h5_bytes(model);
  expect_same(parse_keras(keras), model, /*with_optimizer=*/true);
  Model from_h5 = parse_h5(h5);
  // Of an optimizer that Keras 2 would not load.
  if (!from_h5.impl().training) from_h5.impl().training = model.impl().training;
  expect_same(from_h5, model, /*with_optimizer=*/false);
  Model weights = Model::from_json(model.to_json());
  weights.impl().training = model.impl().training;
  const std::string weights_alone = weights_h5_bytes(model);
  weights.impl().preprocessing = load_h5_weights(weights_alone, weights);
  expect_same(weights, model, /*with_optimizer=*/true);
  if (const char* folder = std::getenv("SLUICE_KERAS_FILES")) {
    const std::string stem = std::string(folder) + "/" + GetParam().name();
    std::ofstream(stem + ".keras", std::ios::binary) << keras;
    std::ofstream(stem + ".h5", std::ios::binary) << h5;
    std::ofstream(stem + ".weights.h5", std::ios::binary) << weights_alone;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, KerasFileTest, testing::ValuesIn(all_files()),
                         [](const auto& each) {
                           std::string name = each.param.name();
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace sluice::formats
