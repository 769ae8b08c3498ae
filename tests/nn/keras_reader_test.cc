#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// What Keras 3 and Keras 2 themselves wrote (golden/make_golden.py).
class KerasFileTest : public testing::TestWithParam<const char*> {};

TEST_P(KerasFileTest, MnistCnnIsReadAsTheSameModel) {
  const Model read =
      Model::from_json(read_golden(std::string("mnist_cnn.") + GetParam() + ".json"));
  EXPECT_EQ(read.to_json(), mnist_cnn().to_json());
  EXPECT_EQ(read.count_params(), 1048853u);
}

TEST_P(KerasFileTest, EveryLayerIsReadWithAllItsSettings) {
  const Model read =
      Model::from_json(read_golden(std::string("all_layers.") + GetParam() + ".json"));
  EXPECT_EQ(read.to_json(), all_layers().to_json());
  EXPECT_EQ(read.summary(), all_layers().summary());
}

INSTANTIATE_TEST_SUITE_P(Keras, KerasFileTest, testing::Values("keras2", "keras3"));

TEST(KerasReaderTest, OwnJsonComesBackTheSame) {
  const std::string json = all_layers().to_json();
  EXPECT_EQ(Model::from_json(json).to_json(), json);
}

std::string sequential_of(const std::string& layers) {
  return R"({"class_name": "Sequential", "config": {"name": "m", "layers": [)" + layers + "]}}";
}

std::string layer_of(const std::string& class_name, const std::string& config) {
  return R"({"class_name": ")" + class_name + R"(", "config": )" + config + "}";
}

std::string one_dense(const std::string& more) {
  return sequential_of(layer_of(
      "Dense", R"({"name": "d", "batch_input_shape": [null, 4], "units": 2)" + more + "}"));
}

TEST(KerasReaderTest, TheFirstLayerMayCarryTheInputsShape) {
  const Model model = Model::from_json(one_dense(""));
  EXPECT_EQ(model.input_shape(), Shape({4}));
  EXPECT_EQ(model.output_shape(), Shape({2}));
}

TEST(KerasReaderTest, SoMayTheModel) {
  const Model model = Model::from_json(
      R"({"class_name": "Sequential", "config": {"name": "m", "build_input_shape": [null, 7],
          "layers": [{"class_name": "Dense", "config": {"units": 2}}]}})");
  EXPECT_EQ(model.input_shape(), Shape({7}));
  EXPECT_EQ(model.name(), "m");
}

TEST(KerasReaderTest, WithoutAnyShapeTheModelIsNotBuilt) {
  EXPECT_FALSE(Model::from_json(sequential_of(layer_of("Dense", R"({"units": 2})"))).built());
}

TEST(KerasReaderTest, TheBareListOfTheFirstVersionsIsRead) {
  const Model model = Model::from_json(
      R"({"class_name": "Sequential", "config": [{"class_name": "Dense",
          "config": {"batch_input_shape": [null, 4], "units": 2}}]})");
  EXPECT_EQ(model.layers()[0]->name(), "dense");
}

TEST(KerasReaderTest, InitializersAreReadInAllTheirForms) {
  const auto kernel_initializer = [](const std::string& json) {
    const Model model = Model::from_json(one_dense(", \"kernel_initializer\": " + json));
    return dynamic_cast<const Dense&>(*model.layers()[0]).options().kernel_initializer;
  };
  EXPECT_EQ(kernel_initializer(R"("he_normal")"), "he_normal");
  EXPECT_EQ(kernel_initializer(R"("HeNormal")"), "he_normal");
  EXPECT_EQ(kernel_initializer(R"({"class_name": "HeNormal", "config": {"seed": 3}})"),
            "he_normal");
  EXPECT_EQ(kernel_initializer("null"), "glorot_uniform");
  EXPECT_EQ(kernel_initializer(R"({"class_name": "VarianceScaling", "config": {"scale": 1.0,
                                   "mode": "fan_avg", "distribution": "uniform", "seed": null}})"),
            "glorot_uniform");
}

TEST(KerasReaderTest, OneNumberStandsForBothSizesAndNullForTheDefault) {
  const Model model = Model::from_json(sequential_of(
      layer_of("InputLayer", R"({"batch_shape": [null, 9, 9, 1]})") + "," +
      layer_of("Conv2D", R"({"filters": 2, "kernel_size": 3, "strides": 1, "dilation_rate": 1,
                             "activation": null, "data_format": null})") +
      "," + layer_of("MaxPooling2D", R"({"pool_size": [3, 2], "strides": null})")));
  EXPECT_EQ(model.output_shape(), Shape({2, 3, 2}));
}

TEST(KerasReaderTest, UnknownSettingsThatAreOffAreIgnored) {
  EXPECT_NO_THROW(Model::from_json(
      one_dense(R"(, "quantization_config": null, "lora_rank": null, "future": false)")));
}

std::string error_of(const std::string& json) {
  const std::string message = message_of([&] { Model::from_json(json); });
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  EXPECT_THAT(message, StartsWith("model JSON: "));
  return message.substr(std::min<size_t>(message.size(), 12));
}

// Their weights are float32.
TEST(KerasReaderTest, MixedPrecisionIsReadAsFloat32AndSaidOnce) {
  for (const char* dtype :
       {R"("mixed_float16")",
        R"({"class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}})",
        R"({"class_name": "Policy", "config": {"name": "mixed_float16"}})"}) {
    const std::string dense = layer_of(
        "Dense", R"({"name": "NAME", "units": 2, "dtype": )" + std::string(dtype) + "INPUT}");
    const auto named = [&](const char* name, const char* input) {
      std::string text = dense;
      text.replace(text.find("NAME"), 4, name);
      return text.replace(text.find("INPUT"), 5, input);
    };
    testing::internal::CaptureStderr();
    const Model model = Model::from_json(
        sequential_of(named("a", R"(, "batch_input_shape": [null, 3])") + "," + named("b", "")));
    const std::string warned = testing::internal::GetCapturedStderr();
    EXPECT_EQ(model.count_params(), 3u * 2 + 2 + 2 * 2 + 2);
    EXPECT_THAT(warned, HasSubstr("layers compute in mixed_"));
    EXPECT_EQ(std::count(warned.begin(), warned.end(), '\n'), 1) << warned;
  }
}

TEST(KerasReaderTest, AllMissingLayersAreNamedAtOnce) {
  const std::string flip = layer_of("RandomFlip", R"({"name": "flip"})");
  const std::string inner =
      layer_of("Sequential", R"({"name": "inner", "layers": [)" + flip + "," +
                                 layer_of("RandomRotation", R"({"name": "turn"})") + "]}");
  const std::string input = layer_of("InputLayer", R"({"batch_shape": [null, 4, 4, 1]})");
  EXPECT_THAT(error_of(sequential_of(input + "," + inner + "," +
                                     layer_of("RandomFlip", R"({"name": "again"})") + "," +
                                     layer_of("Flatten", "{}"))),
              StartsWith("Sluice has no layer classes \"RandomFlip\" of layer \"flip\" and 1 more, "
                         "\"RandomRotation\" of layer \"turn\" (its README lists"));
  EXPECT_THAT(error_of(sequential_of(input + "," + flip)),
              StartsWith("RandomFlip \"flip\": Sluice has no layer class \"RandomFlip\""));
}

TEST(KerasReaderTest, SettingsThatSluiceDoesNotHaveAreRefusedWithTheLayersName) {
  const std::string regularizer = R"({"class_name":"L3","config":{}})";
  EXPECT_EQ(error_of(one_dense(R"(, "kernel_regularizer": )" + regularizer)),
            R"(Dense "d": kernel_regularizer = )" + regularizer + ": Sluice does not have this");
  EXPECT_EQ(
      error_of(sequential_of(layer_of("Flatten", R"({"name": "f", "batch_input_shape": [null, 3],
                               "activity_regularizer": "l2"})"))),
      "Flatten \"f\": \"activity_regularizer\" is set: Sluice does not have this; remove it");
  EXPECT_THAT(error_of(one_dense(R"(, "kernel_constraint": "non_negative")")),
              HasSubstr("\"non_negative\" is not known; use MaxNorm, NonNeg"));
  EXPECT_EQ(error_of(one_dense(R"(, "lora_rank": 4)")),
            "Dense \"d\": \"lora_rank\" is set: Sluice does not have this; remove it");
  EXPECT_EQ(error_of(one_dense(R"(, "dtype": "float16")")),
            "Dense \"d\": dtype = \"float16\": Sluice has float32");
  EXPECT_THAT(error_of(one_dense(R"(, "dtype": {"class_name": "DTypePolicy",
                                     "config": {"name": "bfloat16"}})")),
              EndsWith("Sluice has float32"));
  EXPECT_THAT(error_of(one_dense(R"(, "activation": "wave")")),
              StartsWith("Dense \"d\": Dense: activation = \"wave\""));
  EXPECT_THAT(error_of(one_dense(R"(, "activation": {"class_name": "PReLU", "config": {}})")),
              StartsWith("Dense \"d\": "));
  EXPECT_THAT(error_of(one_dense(R"(, "kernel_initializer": "sparse")")),
              StartsWith("Dense \"d\": kernel_initializer = \"sparse\": Sluice does not have "
                         "this; initializers are glorot_uniform"));
}

std::string one_conv(const std::string& more) {
  return sequential_of(
      layer_of("Conv2D", R"({"name": "c", "batch_input_shape": [null, 9, 9, 4], "filters": 2,
                           "kernel_size": [3, 3])" +
                             more + "}"));
}

TEST(KerasReaderTest, ConvolutionsThatSluiceDoesNotHaveAreRefused) {
  EXPECT_EQ(error_of(one_conv(R"(, "data_format": "channels_first")")),
            "Conv2D \"c\": \"data_format\": Sluice has only \"channels_last\"");
  EXPECT_EQ(error_of(sequential_of(layer_of("Embedding", R"({"name": "e", "input_dim": 5,
                                              "output_dim": 2, "mask_zero": true})"))),
            "Embedding \"e\": mask_zero = true: Sluice has no masks; where padding must not count, "
            "leave it out of the data or weigh it with 0");
}

TEST(KerasReaderTest, UnknownLayerClassesAreRefusedBeforeTheirSettings) {
  const auto unknown = [](const std::string& class_name) {
    return error_of(sequential_of(
        layer_of(class_name, R"({"name": "x", "layer": {"class_name": "Dense"}, "units": 3})")));
  };
  const std::string advice =
      " (its README lists the layers; in a program, register_layer() adds one)";
  EXPECT_EQ(unknown("LSTM"), "LSTM \"x\": Sluice has no layer class \"LSTM\"" + advice);
  EXPECT_EQ(unknown("TimeDistributed"),
            "TimeDistributed \"x\": Sluice has no layer class \"TimeDistributed\"" + advice);
  EXPECT_EQ(unknown("Conv3D"), "Conv3D \"x\": Sluice has no layer class \"Conv3D\"" + advice);
  EXPECT_EQ(unknown("Conv2d"),
            "Conv2d \"x\": Sluice has no layer class \"Conv2d\"; did you mean Conv2D?" + advice);
}

TEST(KerasReaderTest, ASoftmaxOverTheWholeBatchIsRefused) {
  EXPECT_EQ(error_of(sequential_of(layer_of("Softmax", R"({"name": "s", "axis": null})"))),
            "Softmax \"s\": axis = null, over the whole batch: Sluice does not have this");
}

TEST(KerasReaderTest, NamesThatBreakLinesAreRefused) {
  EXPECT_EQ(error_of(sequential_of(layer_of("Flatten", R"({"name": "a\nb"})"))),
            "\"name\": expected no control characters, got \"a\\nb\"");
  EXPECT_EQ(error_of(sequential_of(layer_of("Flatten", R"({"name": "a\u0000b"})"))),
            "\"name\": expected no control characters, got \"a\\u0000b\"");
}

TEST(KerasReaderTest, InputsThatSluiceDoesNotHaveAreRefused) {
  const auto input = [](const std::string& config) {
    return sequential_of(layer_of("InputLayer", config));
  };
  EXPECT_EQ(error_of(input(R"({"batch_shape": [null, null, 3]})")),
            "input shape [null,null,3]: every size but the batch must be a number");
  EXPECT_EQ(error_of(input(R"({"name": "i"})")), "InputLayer \"i\": has no shape");
  EXPECT_EQ(error_of(input(R"({"name": "i", "batch_shape": [null, 3], "dtype": "string"})")),
            "InputLayer \"i\": dtype = \"string\": Sluice has float32");
  EXPECT_EQ(error_of(input(R"({"name": "i", "batch_shape": [null, 3], "sparse": true})")),
            "InputLayer \"i\": Sluice has only dense inputs");
}

TEST(KerasReaderTest, AnInputsDtypeMayBeAPolicyAsALayersMayOrOfWholeNumbers) {
  for (const char* dtype : {R"({"class_name": "DTypePolicy", "config": {"name": "float32"}})",
                            "\"float32\"", "null", "\"int32\"", "\"uint8\""}) {
    const std::string config = std::string(R"({"batch_shape": [null, 3], "dtype": )") + dtype + "}";
    EXPECT_EQ(Model::from_json(sequential_of(layer_of("InputLayer", config))).input_shape(),
              Shape{3})
        << dtype;
  }
}

TEST(KerasReaderTest, OtherModelsAndOtherTextsAreRefusedInOneLine) {
  EXPECT_EQ(error_of(R"({"class_name": "Subclassed", "config": {}})"),
            "this is a Subclassed model; Sluice has Keras' Sequential and Functional");
  for (const char* json :
       {"", "{", "[]", "null", "{}", R"({"class_name": 3})", R"({"class_name": "Sequential"})",
        R"({"class_name": "Sequential", "config": 3})",
        R"({"class_name": "Sequential", "config": {"layers": 3}})",
        R"({"class_name": "Sequential", "config": {"layers": [3]}})",
        R"({"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense"}]}})",
        R"({"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense",
            "config": 3}]}})",
        R"({"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense",
            "config": {"name": 3}}]}})",
        R"({"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense",
            "config": {"units": "many"}}]}})",
        R"({"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense",
            "config": {"units": 1e300}}]}})"}) {
    EXPECT_NE(error_of(json), "thing was thrown") << json;
  }
}

TEST(KerasReaderTest, WhatIsOfAnotherKindIsNamedWithWhatIsExpected) {
  const auto of = [](const std::string& config) {
    return error_of(R"({"class_name": "Sequential", "config": )" + config + "}");
  };
  EXPECT_EQ(of(R"({"layers": {"a": 1}})"),
            "\"config\": expected an object with a list of \"layers\", got {\"layers\":{\"a\":1}}");
  EXPECT_EQ(of("null"), "\"config\": expected an object with a list of \"layers\", got null");
  const std::string layer =
      "a layer: expected an object with a \"class_name\" and a \"config\", got ";
  EXPECT_EQ(of(R"({"layers": [3]})"), layer + "3");
  EXPECT_EQ(of(R"({"layers": [{"class_name": "InputLayer", "config": null}]})"),
            layer + R"({"class_name":"InputLayer","config":null})");
  EXPECT_EQ(of(R"({"name": 7, "layers": []})"), "\"name\": expected a string, got 7");
  EXPECT_EQ(error_of(sequential_of(layer_of("Dense", R"({"name": 3, "units": 2})"))),
            "\"name\": expected a string, got 3");
  EXPECT_THAT(error_of(one_dense(R"(, "kernel_initializer":
                  {"class_name": "VarianceScaling", "config": {"scale": "x"}})")),
              HasSubstr("\"scale\" must be a number"));
}

TEST(KerasReaderTest, NumbersThatAreNoneOrTooLargeAreNamed) {
  const auto units = [](const std::string& number) {
    return error_of(sequential_of(layer_of("Dense", R"({"name": "d", "units": )" + number + "}")));
  };
  EXPECT_EQ(units("18446744073709551615"), "Dense \"d\": \"units\": must be a whole number");
  EXPECT_EQ(units("1e400"), "a number is out of range: 1.8e308 is the largest (near \"units\")");
  EXPECT_EQ(units("null"), "Dense \"d\": has no \"units\"");
  EXPECT_EQ(units("2, \"units\": 3"),
            "\"units\" is there twice in one object: leave one of them out");
}

// As json.dump(model.to_json()), the attribute of an HDF5 file, and TensorFlow.js hand it on.
TEST(KerasReaderTest, JsonThatOthersHaveWrappedIsRead) {
  const std::string model = one_dense("");
  const std::string quoted = nlohmann::json(model).dump();
  for (const std::string& json :
       {quoted, R"({"model_config": )" + model + "}", R"({"model_config": )" + quoted + "}",
        R"({"modelTopology": {"keras_version": "2", "model_config": )" + model + "}}"}) {
    EXPECT_EQ(Model::from_json(json).to_json(), Model::from_json(model).to_json());
  }
}

TEST(KerasReaderTest, WhatIsNoModelJsonIsNamed) {
  EXPECT_EQ(error_of("\x89HDF\r\n..."), "this is an HDF5 file, no JSON: load_model() reads it");
  EXPECT_THAT(error_of("PK\x03\x04..."), HasSubstr("zip archive, as .keras files are"));
  EXPECT_EQ(error_of(R"({"class_name": )"),
            "not JSON from line 1, column 16 on (near \"class_name\")");
  EXPECT_THAT(error_of(R"({"format": "layers-model"})"), HasSubstr("what Keras' to_json() writes"));
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  EXPECT_EQ(error_of(deep), "nested more than 64 levels deep");
  EXPECT_THAT(error_of(one_dense(", \"future\": " + deep)), HasSubstr("levels deep"));
}

TEST(KerasReaderTest, NamesOfKeras1AndMissingOnesAreNamed) {
  EXPECT_EQ(error_of(sequential_of(layer_of("Dense", R"({"name": "d", "output_dim": 64})"))),
            "Dense \"d\": \"output_dim\" is a name of Keras 1; load the model with Keras 2 and "
            "write to_json() again");
  EXPECT_EQ(error_of(sequential_of(layer_of("Dense", R"({"name": "d"})"))),
            "Dense \"d\": has no \"units\"");
  EXPECT_EQ(error_of(sequential_of(layer_of("Conv2D", R"({"name": "c", "filters": 2})"))),
            "Conv2D \"c\": has no \"kernel_size\"");
}

TEST(KerasReaderTest, APenaltyOfNothingIsNone) {
  for (const char* nothing : {R"({"class_name": "L2", "config": {"l2": 0.0}})",
                              R"({"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0}})"}) {
    EXPECT_NO_THROW(
        Model::from_json(one_dense(std::string(", \"kernel_regularizer\": ") + nothing)));
  }
  EXPECT_THAT(error_of(one_dense(R"(, "kernel_regularizer": {"class_name": "L1L2",
                                     "config": {"l1": 0.0, "l3": 0.1}})")),
              HasSubstr("Sluice does not have this"));
}

std::string somebodys(const std::string& module, const std::string& class_name,
                      const std::string& registered, const std::string& config) {
  return R"({"module": )" + module + R"(, "class_name": ")" + class_name +
         R"(", "registered_name": )" + registered + R"(, "config": )" + config + "}";
}

TEST(KerasReaderTest, AClassOfSomebodysPackageIsNotKerasOwnOfTheSameName) {
  const std::string rate = R"({"name": "o", "rate": 0.5})";
  const auto error = [&](const char* module, const char* class_name, const char* registered) {
    return error_of(sequential_of(somebodys(module, class_name, registered, rate)));
  };
  const std::string other = " is not Keras' Dropout, but somebody's class";
  EXPECT_EQ(error("null", "Dropout", "\"theirlab>Dropout\""), "\"theirlab>Dropout\"" + other);
  EXPECT_EQ(error("null", "theirlab>Dropout", "null"), "\"theirlab>Dropout\"" + other);
  EXPECT_EQ(error("\"theirlab.layers\"", "Dropout", "\"Dropout\""),
            "\"theirlab.layers.Dropout\"" + other);
  EXPECT_EQ(error("null", "Dropout", "\"Custom>Dropout\""), "\"Custom>Dropout\"" + other);
  for (const char* module : {"\"keras.layers\"", "\"keras.src.layers\"", "\"tf_keras.layers\"",
                             "\"tensorflow.keras.layers\"", "null"}) {
    EXPECT_NO_THROW(Model::from_json(sequential_of(somebodys(module, "Dropout", "null", rate))))
        << module;
  }
  EXPECT_THAT(
      error_of(one_dense(", \"kernel_initializer\": " +
                         somebodys("\"theirlab\"", "HeNormal", "\"theirlab>HeNormal\"", "{}"))),
      HasSubstr("Sluice does not have this"));
  EXPECT_EQ(
      error_of(somebodys("null", "Sequential", "\"theirlab>Sequential\"", "{\"layers\": []}")),
      "this is a theirlab>Sequential model; Sluice has Keras' Sequential and Functional");
}

TEST(KerasReaderTest, LayersThatDoNotFitAreAShapeError) {
  EXPECT_THAT(message_of<ShapeError>([] {
                Model::from_json(one_conv("").replace(one_conv("").find("9, 9, 4"), 7, "2, 9, 4"));
              }),
              HasSubstr("Conv2D \"c\": expected an image of at least 3 x 3"));
}

}  // namespace
}  // namespace sluice::nn
