// What is done with a model once it is trained: convert, summary, evaluate, predict.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

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
