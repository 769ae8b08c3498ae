// What is done with a model once it is trained: convert, summary, evaluate, predict.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "data/npy.h"
#include "tests/data/test_files.h"
#include "tests/support/digits_folder.h"
#include "tests/support/process.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using data::TestFolder;
using testing::HasSubstr;
using testing::StartsWith;
using testing_support::DigitsFolder;
using testing_support::Process;

struct Outcome {
  int status;
  std::string output;
};

class ModelCommandsTest : public testing::Test {
 protected:
  Outcome run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), SLUICE_BINARY_DIR "/bin/sluice");
    Process process(arguments);
    const int status = process.wait(120s);
    return {status, process.output()};
  }
  // Of a shell, with $0 the command.
  Outcome shell(const std::string& line) {
    Process process({"/bin/bash", "-c", line, SLUICE_BINARY_DIR "/bin/sluice"});
    const int status = process.wait(120s);
    return {status, process.output()};
  }
  nlohmann::json json_of(const std::string& output) {
    return nlohmann::json::parse(output.substr(output.find_first_of("[{")));
  }
  std::string path(const std::string& name) { return folder_.path(name); }
  data::Npy npy(const std::string& name) {
    const auto read = data::parse_npy(name, data::read_whole(path(name)));
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() ? *read : data::Npy();
  }
  // Iris in small: a class by the sum of two columns.
  std::string table(int first, int records) {
    std::string text = "width,name,id,length\n";
    for (int i = first; i < first + records; ++i) {
      const int width = i * 7 % 11, length = i * 5 % 13;
      text += std::to_string(width) + "," + (width > length ? "broad" : "long") + "," +
              std::to_string(i) + "," + std::to_string(length) + "\n";
    }
    return text;
  }

  TestFolder folder_;
};

constexpr const char* kTableModel =
    R"({"class_name":"Sequential","config":{"name":"m","layers":[{"class_name":"InputLayer",)"
    R"("config":{"batch_input_shape":[null,2],"dtype":"float32","name":"in"}},)"
    R"({"class_name":"Dense","config":{"name":"d","units":2,"activation":"softmax"}}]}})";

TEST_F(ModelCommandsTest, ATrainedModelGoesThroughEveryFormat) {
  const DigitsFolder digits(300, 50);
  const std::string trained = path("m.keras");
  const Outcome train = run({"train", "--dataset", digits.path(), "--model", "mnist_mlp",
                             "--epochs", "1", "--save", trained, "--verbose", "0"});
  ASSERT_EQ(train.status, 0) << train.output;

  std::ofstream(path("x.npy"), std::ios::binary)
      << data::npy_header({2, 28, 28, 1})
      << std::string(reinterpret_cast<const char*>(std::vector<float>(2 * 784, 0.25f).data()),
                     2 * 784 * sizeof(float));
  const Outcome first = run({"predict", trained, path("x.npy"), "--output", path("first.npy")});
  ASSERT_EQ(first.status, 0) << first.output;
  const data::Npy expected = npy("first.npy");
  EXPECT_EQ(expected.shape, (Shape{2, 10}));

  for (const char* name : {"m.h5", "m.onnx", "m.sluice", "back.keras", "1/", "m.weights.h5"}) {
    SCOPED_TRACE(name);
    const Outcome converted = run({"convert", trained, path(name)});
    ASSERT_EQ(converted.status, 0) << converted.output;
    EXPECT_THAT(converted.output, HasSubstr(trained + " (Keras' .keras) is written to "));
    if (std::string_view(name).ends_with("/")) continue;
    std::vector<std::string> command = {"predict", path(name), path("x.npy"), "--output",
                                        path("again.npy")};
    if (std::string_view(name).ends_with(".weights.h5")) {
      ASSERT_EQ(run({"convert", trained, path("m.json")}).status, 0);
      command[1] = path("m.json");
      command.insert(command.end(), {"--weights", path(name)});
    }
    const Outcome again = run(command);
    ASSERT_EQ(again.status, 0) << again.output;
    EXPECT_THAT(npy("again.npy").values,
                testing::Pointwise(testing::FloatNear(1e-6f), expected.values));
  }
  EXPECT_TRUE(std::filesystem::exists(path("1/saved_model.pb")));

  // The scale of the training's images came along: the files are bytes.
  const std::string images = digits.path() + "/t10k-images-idx3-ubyte";
  const Outcome csv = run({"predict", path("m.h5"), images, "--output", path("p.csv")});
  ASSERT_EQ(csv.status, 0) << csv.output;
  const std::string lines = data::read_whole(path("p.csv"));
  EXPECT_THAT(lines, StartsWith("input,record,class,0,1,2,3,4,5,6,7,8,9\n"));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 51);

  const Outcome evaluated =
      run({"evaluate", path("m.sluice"), "--dataset", digits.path(), "--json"});
  ASSERT_EQ(evaluated.status, 0) << evaluated.output;
  const auto figures = json_of(evaluated.output);
  EXPECT_EQ(figures["records"], 50);
  EXPECT_EQ(figures["classes"].size(), 10u);
  const Outcome text = run({"evaluate", trained, "--dataset", digits.path()});
  EXPECT_THAT(text.output, HasSubstr("precision  recall  f1"));
  char accuracy[32];
  std::snprintf(accuracy, sizeof accuracy, "accuracy  %.4f", figures["accuracy"].get<double>());
  EXPECT_THAT(text.output, HasSubstr(accuracy));

  const Outcome summary = run({"summary", trained, "--json"});
  ASSERT_EQ(summary.status, 0) << summary.output;
  EXPECT_EQ(json_of(summary.output)["multiply_adds"], 784 * 1000 + 1000 * 250 + 250 * 10);
  EXPECT_EQ(json_of(summary.output)["loss"], "categorical_crossentropy");
  EXPECT_THAT(run({"summary", "mnist_cnn"}).output, HasSubstr("Total params: 1,048,853"));
}

TEST_F(ModelCommandsTest, ATablesColumnsAndClassesTravelWithTheModel) {
  folder_.write("m.json", kTableModel);
  folder_.write("train.csv", table(0, 300));
  const std::string trained = path("m.keras");
  const Outcome train = run({"train",       "--dataset", path("train.csv"),
                             "--target",    "name",      "--ignore",
                             "id",          "--model",   path("m.json"),
                             "--optimizer", "adam",      "--learning-rate",
                             "0.1",         "--epochs",  "20",
                             "--workers",   "1",         "--save",
                             trained,       "--verbose", "0"});
  ASSERT_EQ(train.status, 0) << train.output;
  // Other columns, in another order.
  folder_.write("new.csv", "length,note,width\n9,x,1\n1,y,9\n");
  const Outcome predicted = run({"predict", trained, path("new.csv"), "--top", "1"});
  EXPECT_EQ(predicted.status, 0);
  EXPECT_THAT(predicted.output, HasSubstr("new.csv[0]  long 0."));
  EXPECT_THAT(predicted.output, HasSubstr("new.csv[1]  broad 0."));
  const Outcome streamed = shell("printf 'length,width\\n9,1\\n[9, 1]\\n1,9\\n' | \"$0\" predict " +
                                 trained + " - --json");
  EXPECT_EQ(streamed.status, 0) << streamed.output;
  EXPECT_EQ(std::count(streamed.output.begin(), streamed.output.end(), '\n'), 3);
  EXPECT_THAT(streamed.output, HasSubstr(R"("class":"long")"));
  // The target's name came along as well.
  folder_.write("test.csv", table(300, 70));
  const Outcome evaluated = run({"evaluate", trained, "--dataset", path("test.csv"), "--json"});
  ASSERT_EQ(evaluated.status, 0) << evaluated.output;
  EXPECT_EQ(json_of(evaluated.output)["records"], 70);
  EXPECT_GT(json_of(evaluated.output)["accuracy"].get<double>(), 0.9);
  EXPECT_EQ(json_of(evaluated.output)["classes"][0]["class"], "broad");
}

// Under its own name, another one, and as the device that leads there.
TEST_F(ModelCommandsTest, NoOutputTakesThePlaceOfWhatIsRead) {
  folder_.write("m.json", kTableModel);
  folder_.write("train.csv", table(0, 30));
  const Outcome train =
      run({"train", "--dataset", path("train.csv"), "--target", "name", "--ignore", "id", "--model",
           path("m.json"), "--epochs", "1", "--workers", "1", "--save", path("m.keras")});
  ASSERT_EQ(train.status, 0) << train.output;
  ASSERT_EQ(run({"convert", path("m.keras"), path("m.weights.h5")}).status, 0);
  folder_.write("x.csv", "width,length\n1,2\n");
  std::filesystem::create_symlink("x.csv", path("link.csv"));
  std::filesystem::create_hard_link(path("x.csv"), path("hard.csv"));
  std::filesystem::copy_file(path("m.weights.h5"), path("w.csv"));
  const std::string x = path("x.csv"), m = path("m.json"), w = path("w.csv");
  const auto refused = [&](const std::string& command) {
    const Outcome outcome = shell(command);
    EXPECT_EQ(outcome.status, 2) << command << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr(" is read by this command too; choose another file\n"));
  };
  for (const char* output : {"x.csv", "link.csv", "hard.csv", "m.json", "w.csv"}) {
    refused("\"$0\" predict " + m + " --weights " + w + " " + x + " --output " + path(output));
  }
  refused("\"$0\" predict " + path("m.keras") + " - --output " + x + " < " + x);
  refused("\"$0\" convert " + m + " " + path("m.weights.h5") + " --weights " +
          path("m.weights.h5"));
  EXPECT_EQ(data::read_whole(x), "width,length\n1,2\n");
  EXPECT_EQ(data::read_whole(m), kTableModel);
}

constexpr const char* kRescalingModel =
    R"({"class_name":"Sequential","config":{"name":"m","layers":[{"class_name":"InputLayer",)"
    R"("config":{"batch_shape":[null,28,28,1],"name":"in"}},)"
    R"({"class_name":"Rescaling","config":{"name":"r","scale":0.00392156862,"offset":0.0}},)"
    R"({"class_name":"Flatten","config":{"name":"f"}},)"
    R"({"class_name":"Dense","config":{"name":"d","units":10,"activation":"softmax"}}]}})";

TEST_F(ModelCommandsTest, AJobTrainsWithWhatTheModelsFileWasCompiledWith) {
  const DigitsFolder digits(200, 50);
  folder_.write("m.json", kRescalingModel);
  const std::string trained = path("m.keras");
  const std::vector<std::string> fast = {"--dataset", digits.path(), "--epochs",
                                         "1",         "--workers",   "1"};
  const auto train = [&](std::vector<std::string> more) {
    more.insert(more.begin(), "train");
    more.insert(more.end(), fast.begin(), fast.end());
    return run(more);
  };
  const Outcome first = train({"--model", path("m.json"), "--scale", "1", "--save", trained,
                               "--loss", "sparse_categorical_crossentropy(from_logits=true)",
                               "--optimizer", "sgd(learning_rate=0.5, momentum=0.9)", "--metrics",
                               "accuracy,sparse_top_k_categorical_accuracy(k=2)"});
  ASSERT_EQ(first.status, 0) << first.output;
  const auto config = json_of(run({"train", "--model", trained, "--print-config"}).output);
  EXPECT_EQ(config["loss"]["config"]["from_logits"], true);
  EXPECT_EQ(config["optimizer"]["config"]["momentum"], 0.9);
  EXPECT_THAT(config["metrics"].get<std::string>(), HasSubstr("SparseTopK"));
  const Outcome again = train({"--model", trained, "--save", path("again.keras")});
  ASSERT_EQ(again.status, 0) << again.output;
  EXPECT_THAT(again.output,
              HasSubstr("Loss: sparse_categorical_crossentropy(from_logits=True); optimizer: sgd, "
                        "learning rate 0.5, momentum 0.9; metrics: accuracy, "));
  EXPECT_THAT(again.output, HasSubstr("; from " + trained + ": loss, metrics, optimizer\n"));
  EXPECT_THAT(run({"summary", path("again.keras")}).output,
              HasSubstr(" Trained with: sgd, learning rate 0.5, momentum 0.9; loss "
                        "sparse_categorical_crossentropy(from_logits=True); metrics accuracy, "));
  // What is said counts.
  folder_.write("job.json", R"({"optimizer": "adam"})");
  const auto own = json_of(run({"train", "--model", trained, "--print-config", "--config",
                                path("job.json"), "--loss", "mse"})
                               .output);
  EXPECT_EQ(own["loss"], "mean_squared_error");
  EXPECT_EQ(own["optimizer"]["class_name"], "Adam");
  EXPECT_THAT(own["metrics"].get<std::string>(), HasSubstr("SparseTopK"));
}

TEST_F(ModelCommandsTest, ValuesAreNotScaledTwiceWithoutAWord) {
  const DigitsFolder digits(300, 50);
  folder_.write("m.json", kRescalingModel);
  const auto train = [&](const std::string& model, std::vector<std::string> more) {
    more.insert(more.begin(), {"train", "--dataset", digits.path(), "--epochs", "1", "--workers",
                               "1", "--model", model, "--verbose", "0"});
    return run(more);
  };
  const Outcome refused = train(path("m.json"), {});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.output, AllOf(HasSubstr("but the model scales values itself (layer \"r\"); "),
                                    HasSubstr("--scale 1 takes the values as they are stored")));
  EXPECT_EQ(std::count(refused.output.begin(), refused.output.end(), '\n'), 1) << refused.output;
  for (const auto& [scale, records] :
       {std::pair("1", nlohmann::json(1.0)), std::pair("1/255", nlohmann::json(1.0f / 255))}) {
    const std::string trained = path("m.keras");
    const Outcome first = train(path("m.json"), {"--scale", scale, "--save", trained});
    ASSERT_EQ(first.status, 0) << first.output;
    EXPECT_EQ(first.output, "");
    const auto summary = json_of(run({"summary", trained, "--json"}).output);
    EXPECT_EQ(summary["preprocessing"]["scale"].get<float>(), records.get<float>());
    // Its file says it.
    EXPECT_EQ(run({"evaluate", trained, "--dataset", digits.path()}).status, 0);
    const Outcome again = train(trained, {"--save", path("again.keras")});
    EXPECT_EQ(again.output, "");
    EXPECT_EQ(json_of(run({"summary", path("again.keras"), "--json"}).output)["preprocessing"],
              summary["preprocessing"]);
  }
  EXPECT_EQ(train(path("m.json"), {"--scale", "0"}).status, 2);
  // A file of somebody else's: of the same bytes, but for the name that Sluice looks for.
  ASSERT_EQ(run({"convert", path("m.keras"), path("m.onnx")}).status, 0);
  folder_.write("other.onnx", std::regex_replace(data::read_whole(path("m.onnx")),
                                                 std::regex("sluice"), "others"));
  const Outcome unknown = run({"evaluate", path("other.onnx"), "--dataset", digits.path()});
  EXPECT_EQ(unknown.status, 2) << unknown.output;
  EXPECT_THAT(unknown.output, HasSubstr("scales values itself"));
  EXPECT_EQ(
      run({"evaluate", path("other.onnx"), "--dataset", digits.path(), "--scale", "1"}).status, 0);
}

TEST_F(ModelCommandsTest, NamesOfClassesLeaveTheScaleUnknown) {
  const std::string keras = SLUICE_SOURCE_DIR "/tests/keras/files/cnn.keras";
  const std::string named = path("named.keras");
  const auto outputs = json_of(run({"summary", keras, "--json"}).output)["outputs"][0]["shape"];
  std::string names = "c0";
  for (int i = 1; i < outputs[0].get<int>(); ++i) names += ",c" + std::to_string(i);
  ASSERT_EQ(run({"convert", keras, named, "--class-names", names}).status, 0);
  const auto summary = json_of(run({"summary", named, "--json"}).output);
  EXPECT_TRUE(summary["preprocessing"]["scale"].is_null()) << summary;
  EXPECT_EQ(summary["preprocessing"]["class_names"][0], "c0");
  EXPECT_THAT(run({"summary", named}).output, HasSubstr("scale unknown"));
  const std::string scaled = path("scaled.keras");
  ASSERT_EQ(run({"convert", named, scaled, "--scale", "1/255"}).status, 0);
  EXPECT_THAT(run({"summary", scaled}).output, HasSubstr("values times 0.00392157; classes c0"));
}

TEST_F(ModelCommandsTest, SummaryTellsInputsOutputsAndConnections) {
  const Outcome table = run({"summary", "mnist_cnn"});
  EXPECT_THAT(table.output,
              HasSubstr(" Inputs: input_layer [28, 28, 1]\n Outputs: dense_1 [10]\n"));
  const auto json = json_of(run({"summary", "mnist_cnn", "--json"}).output);
  EXPECT_EQ(json["layers"][0]["inbound_layers"], nlohmann::json({"input_layer"}));
  EXPECT_EQ(json["layers"][1]["inbound_layers"], nlohmann::json({"conv2d"}));
  const std::string keras = SLUICE_SOURCE_DIR "/tests/keras/files/cnn.keras";
  const std::string weights = path("w.weights.h5");
  ASSERT_EQ(run({"convert", keras, path("layers.json")}).status, 0);
  ASSERT_EQ(run({"convert", keras, weights}).status, 0);
  EXPECT_THAT(run({"summary", path("layers.json"), "--weights", weights}).output,
              HasSubstr(" Format: Keras' JSON, weights from " + weights + "\n"));
}

TEST_F(ModelCommandsTest, WhatIsMissingOrWrongIsSaidInALine) {
  folder_.write("m.json", kTableModel);
  const std::string model = path("m.json");
  const auto refused = [&](const std::vector<std::string>& command, const std::string& why) {
    const Outcome outcome = run(command);
    EXPECT_EQ(outcome.status, 2) << outcome.output;
    EXPECT_THAT(outcome.output, AllOf(StartsWith("sluice: "), HasSubstr(why)));
    EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 1) << outcome.output;
  };
  refused({"predict", model, "x"}, "has layers alone, no weights");
  refused({"evaluate", model, "--dataset", "digits"}, "has layers alone, no weights");
  refused({"convert", model, path("m.pb")}, "Sluice does not write .pb");
  refused({"convert", model, path("m.keras")}, "has layers alone, no weights");
  refused({"train", "--save", path("x.json")}, "what is learned would be lost");
  EXPECT_FALSE(std::filesystem::exists(path("x.json")));
  refused({"convert", model, model}, "is read by this command too; choose another file");
  refused({"summary", path("gone")}, "gone: No such file");
  folder_.write("x.bin", "nothing");
  refused({"summary", path("x.bin")}, "is of no format that is known here");
  refused({"predict", model}, "INPUT");
  refused({"summary", "mnist_cnn", "--class-names", "a,b"}, "unknown flag --class-names");
  refused({"predict", "mnist_cnn", "x", "--class-names", "a,b"},
          "--class-names: 2 names, but the model gives 10 numbers");
  folder_.write("weights", "nothing");
  refused({"predict", model, "x", "--weights", path("weights")}, "is of no format");
}

TEST_F(ModelCommandsTest, SaveGoesByTheNameAndIsTriedAtTheStart) {
  const DigitsFolder digits(60, 20);
  const Outcome outcome = run({"train", "--dataset", digits.path(), "--save", path("no/m.onnx")});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.output, HasSubstr("sluice: --save: cannot write "));
  std::filesystem::create_directory(path("1"));
  const Outcome folder = run({"train", "--dataset", digits.path(), "--save", path("1/")});
  EXPECT_EQ(folder.status, 2);
  EXPECT_THAT(folder.output, HasSubstr("--save: "));
}

}  // namespace
}  // namespace sluice
