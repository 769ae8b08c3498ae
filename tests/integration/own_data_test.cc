// `sluice train` on data as people have them: tables, numbers to predict, files that change.
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/data/test_files.h"
#include "tests/support/digits_folder.h"
#include "tests/support/process.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using data::TestFolder;
using testing::HasSubstr;
using testing::Not;
using testing_support::DigitsFolder;
using testing_support::Process;

struct Outcome {
  int status;
  std::string output;
};

class OwnDataTest : public testing::Test {
 protected:
  // Two numbers in; so many outputs behind the activation.
  std::string model(int units, const std::string& activation) {
    const std::string dense = R"({"class_name":"Dense","config":{"name":)";
    return folder_.write(
        "model.json",
        R"({"class_name":"Sequential","config":{"name":"m","layers":[{"class_name":"InputLayer",)"
        R"("config":{"batch_input_shape":[null,2],"dtype":"float32","name":"in"}},)" +
            dense + R"("d","units":)" + std::to_string(units) + R"(,"activation":")" + activation +
            R"("}}]}})");
  }
  Outcome train(std::vector<std::string> arguments) {
    const std::vector<std::string> command = {
        SLUICE_BINARY_DIR "/bin/sluice", "train", "--workers", "2", "--report", report_path_};
    arguments.insert(arguments.begin(), command.begin(), command.end());
    Process process(arguments);
    const int status = process.wait(120s);
    return {status, process.output()};
  }
  nlohmann::json report() const {
    std::ifstream file(report_path_);
    return nlohmann::json::parse(file);
  }

  TestFolder folder_;
  const std::string report_path_ = folder_.path("report.json");
};

// price = 3 size - 2 age + 1, with semicolons and in columns of any order.
TEST_F(OwnDataTest, NumbersAreLearnedAcrossProcesses) {
  std::string text = "size;price;age\n";
  for (int i = 0; i < 210; ++i) {
    const double size = (i * 37 % 100) / 100.0, age = (i * 61 % 100) / 100.0;
    text += std::to_string(size) + ";" + std::to_string(3 * size - 2 * age + 1) + ";" +
            std::to_string(age) + "\n";
  }
  const std::string csv = folder_.write("houses.csv", text);
  const Outcome run = train({"--dataset", csv, "--target", "price", "--loss", "mse", "--model",
                             model(1, "linear"), "--optimizer", "sgd", "--learning-rate", "0.2",
                             "--epochs", "60", "--validation-split", "0.1"});
  ASSERT_EQ(run.status, 0) << run.output;
  EXPECT_THAT(run.output,
              HasSubstr("Target \"price\": numbers to predict; 2 columns of numbers, as "
                        "they are; 180 records to train, 30 to test drawn by seed 0"));
  EXPECT_THAT(run.output, HasSubstr(" - val_loss: "));
  EXPECT_THAT(run.output, HasSubstr("Loss: "));
  EXPECT_THAT(run.output, Not(HasSubstr("ccuracy")));
  EXPECT_LT(report()["test_loss"].get<double>(), 1e-3);
  EXPECT_FALSE(report().contains("test_accuracy"));
}

// The order of columns and classes is the training file's.
TEST_F(OwnDataTest, ClassesByNameAreLearnedAcrossProcesses) {
  std::string train_text = "kind,a,b\n", test_text = "b,kind,a\n";
  for (int i = 0; i < 120; ++i) {
    const std::string kind = i % 3 == 0 ? "pear" : i % 3 == 1 ? "apple, red" : "fig";
    const std::string a = std::to_string(i % 3 == 0), b = std::to_string(i % 3 == 1);
    train_text += "\"" + kind + "\"," + a + "," + b + "\r\n";
    if (i < 30) test_text += b + ",\"" + kind + "\"," + a + "\n";
  }
  const std::string train_csv = folder_.write("train.csv", train_text);
  const std::string test_csv = folder_.write("test.csv", test_text);
  const Outcome run =
      train({"--dataset", "csv:" + train_csv + "," + test_csv, "--target", "kind", "--model",
             model(3, "softmax"), "--optimizer", "sgd", "--learning-rate", "1", "--epochs", "20"});
  ASSERT_EQ(run.status, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("3 classes, \"apple, red\", \"fig\", \"pear\""));
  EXPECT_THAT(run.output, HasSubstr("120 records to train, 30 to test from " + test_csv));
  EXPECT_EQ(report()["test_accuracy"], 1.0);
}

TEST_F(OwnDataTest, AColumnThatIsNoFeatureIsLeftOutByEveryProcess) {
  std::string rows = "id,a,b,label\n";
  for (int i = 0; i < 150; ++i) {
    const int k = i % 3;
    rows += "n" + std::to_string(i) + "," + std::to_string(k == 0) + "," + std::to_string(k == 1) +
            "," + std::to_string(k) + "\n";
  }
  const std::string csv = folder_.write("x.csv", rows);
  const Outcome without = train({"--dataset", csv, "--model", model(3, "softmax")});
  EXPECT_EQ(without.status, 2);
  EXPECT_THAT(without.output, HasSubstr("column 1 (\"id\"): expected a number, found \"n0\""));
  EXPECT_THAT(without.output, HasSubstr("--ignore"));
  const Outcome run =
      train({"--dataset", csv, "--model", model(3, "softmax"), "--ignore", "id", "--epochs", "40",
             "--optimizer", "adam", "--learning-rate", "0.1", "--trainer", "downpour"});
  ASSERT_EQ(run.status, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("2 columns of numbers, as they are, without \"id\""));
  EXPECT_EQ(report()["config"]["ignore"], "id");
  EXPECT_EQ(report()["test_accuracy"], 1.0);
  const Outcome unknown =
      train({"--dataset", csv, "--model", model(3, "softmax"), "--ignore", "ID"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_THAT(unknown.output,
              HasSubstr("has no column \"ID\" to ignore, but \"id\", \"a\", \"b\", \"label\"\n"));
  const Outcome empty = train({"--dataset", csv, "--ignore", "id,"});
  EXPECT_EQ(empty.output,
            "sluice: --ignore: expected names of columns, separated by commas, got \"id,\"\n");
}

// Three of four records say the wrong class, and count nothing.
TEST_F(OwnDataTest, RecordsCountByTheWeightsInAColumn) {
  std::string rows = "w,a,b,label\n";
  for (int i = 0; i < 240; ++i) {
    const int k = i % 3, wrong = i % 4 != 0;
    rows += std::to_string(wrong ? 0.0 : 4.0) + "," + std::to_string(k == 0) + "," +
            std::to_string(k == 1) + "," + std::to_string((k + wrong) % 3) + "\n";
  }
  const std::string csv = folder_.write("x.csv", rows);
  const Outcome run =
      train({"--dataset", csv, "--model", model(3, "softmax"), "--sample-weights", "w", "--epochs",
             "40", "--learning-rate", "0.1", "--trainer", "downpour", "--validation-split", "0.2"});
  ASSERT_EQ(run.status, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("2 columns of numbers, as they are; weights in \"w\""));
  EXPECT_EQ(report()["config"]["sample_weights"], "w");
  EXPECT_NEAR(report()["history"].back()["loss"].get<double>(), 0, 0.2);
  EXPECT_NEAR(report()["test_loss"].get<double>(), 0, 0.2);
  EXPECT_NEAR(report()["test_accuracy"].get<double>(), 0.25, 0.15) << "metrics know no weights";
  const Outcome unknown = train({"--dataset", csv, "--sample-weights", "v"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_THAT(unknown.output, HasSubstr("has no column \"v\" of weights, but \"w\", \"a\""));
  const std::string lies = folder_.write("y.csv", "w,a,b,label\n1,2,3,0\n-2,2,3,0\n");
  const Outcome negative = train({"--dataset", lies, "--sample-weights", "w"});
  EXPECT_EQ(negative.status, 2);
  EXPECT_THAT(negative.output,
              HasSubstr("line 3, column 1 (\"w\"): expected a weight, at least 0, found \"-2\"\n"));
}

// A push that goes over several epochs carries the counters of each, and a ledger those of all.
TEST_F(OwnDataTest, CountersOfManyClassesReachTheServers) {
  std::string rows = "a,b,label\n";
  for (int i = 0; i < 768; ++i) {
    rows += std::to_string(i % 16) + "," + std::to_string(i / 16 % 16) + "," +
            std::to_string(i % 256) + "\n";
  }
  const std::string csv = folder_.write("x.csv", rows);
  const std::vector<std::string> job = {"--dataset",    "csv:" + csv + "," + csv,
                                        "--model",      model(256, "softmax"),
                                        "--batch-size", "400",
                                        "--epochs",     "12"};
  const auto measuring = [&](const std::string& metrics) {
    auto arguments = job;
    arguments.insert(arguments.end(), {"--metrics", metrics});
    return train(arguments);
  };
  const Outcome run = measuring("confusion_matrix");
  ASSERT_EQ(run.status, 0) << run.output;
  const nlohmann::json last = report()["history"][11];
  int64_t counted = 0;
  for (const auto& row : last["confusion_matrix"]) {
    for (const int64_t count : row) counted += count;
  }
  EXPECT_EQ(counted, 768);
  const Outcome more = measuring("confusion_matrix,confusion_matrix(name=again),auc");
  EXPECT_EQ(more.status, 2);
  EXPECT_THAT(more.output, HasSubstr("--metrics: they count 131472 numbers together, and a job "
                                     "can send 131072"));
}

TEST_F(OwnDataTest, PicturesHaveTheirWeightsInAFile) {
  const DigitsFolder digits(60, 20);
  std::string text;
  for (int i = 0; i < 60; ++i) text += "0\n";
  const std::string zeros = folder_.write("zeros.txt", text);
  const std::vector<std::string> job = {"--dataset", digits.path(), "--epochs",
                                        "1",         "--model",     "mnist_mlp"};
  const auto with = [&](const std::string& file) {
    auto arguments = job;
    arguments.insert(arguments.end(), {"--sample-weights", file});
    return train(arguments);
  };
  const Outcome run = with(zeros);
  ASSERT_EQ(run.status, 0) << run.output;
  EXPECT_EQ(report()["history"][0]["loss"], 0.0);
  EXPECT_GT(report()["test_loss"], 0.5) << "the test set has none";
  const Outcome few = with(folder_.write("few.txt", "1\n1\n"));
  EXPECT_EQ(few.status, 2);
  EXPECT_EQ(few.output, "sluice: --sample-weights: " + folder_.path("few.txt") +
                            ": expected a weight for each of 60 records to train, found 2\n");
}

TEST_F(OwnDataTest, AClassThatOnlyTheTestFileHasIsBlamedOnThatFile) {
  const std::string train_csv = folder_.write("train.csv", "a,b,label\n1,2,0\n3,4,1\n");
  const std::string test_csv = folder_.write("test.csv", "a,b,label\n1,2,7\n");
  const Outcome run =
      train({"--dataset", "csv:" + train_csv + "," + test_csv, "--model", model(2, "softmax")});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.output,
              HasSubstr("model \"m\" has 2 outputs, but " + test_csv + " has 8 classes"));
}

TEST_F(OwnDataTest, AModelThatDoesNotFitIsRefusedBeforeAnythingIsAnnounced) {
  const std::string csv = folder_.write("x.csv", "label,a,b\n0,1,2\n1,3,4\n0,5,6\n");
  const Outcome images = train({"--dataset", csv});
  EXPECT_EQ(images.status, 2);
  EXPECT_EQ(images.output,
            "sluice: model \"mnist_cnn\" takes [28, 28, 1], but the records of x.csv are [2]\n");
  const std::string no_input = folder_.write(
      "n.json",
      R"({"class_name":"Sequential","config":{"name":"n","layers":[{"class_name":"Dense",)"
      R"("config":{"units":2}}]}})");
  const Outcome shapeless = train({"--dataset", csv, "--model", no_input});
  EXPECT_EQ(shapeless.status, 2);
  EXPECT_THAT(shapeless.output, testing::StartsWith("sluice: "));
  EXPECT_EQ(std::count(shapeless.output.begin(), shapeless.output.end(), '\n'), 1)
      << shapeless.output;
}

TEST_F(OwnDataTest, AModelWithoutParametersIsRefusedByName) {
  const std::string csv = folder_.write("x.csv", "label,a,b\n0,1,2\n1,3,4\n0,5,6\n");
  const std::string flat = folder_.write(
      "flat.json",
      R"({"class_name":"Sequential","config":{"name":"flat","layers":[{"class_name":"Flatten",)"
      R"("config":{"batch_input_shape":[null,2]}}]}})");
  const Outcome run = train({"--dataset", csv, "--model", flat});
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.output, "sluice: --model: \"flat\" has no parameters to train\n");
}

TEST_F(OwnDataTest, AModelOfLogitsIsWarnedOfAtTheStartAndTheFileIsNamedOnce) {
  const std::string csv = folder_.write("x.csv", "label,a,b\n0,1,2\n1,3,4\n0,5,6\n");
  const Outcome run = train({"--dataset", csv, "--model", model(2, "linear"), "--epochs", "1"});
  EXPECT_EQ(run.status, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("Training on " + csv + ": "));
  EXPECT_THAT(run.output,
              HasSubstr(" W driver | the loss categorical_crossentropy takes probabilities, but "
                        "the last layer \"d\" ends in linear: add activation=\"softmax\", or "
                        "take the loss categorical_crossentropy(from_logits=true)\n"));
}

TEST_F(OwnDataTest, ATargetThatIsNotThereIsRefusedWithTheColumnsThatAre) {
  const std::string csv = folder_.write("x.csv", "kind,a,b\nx,1,2\ny,3,4\n");
  const Outcome run = train({"--dataset", csv, "--model", model(2, "softmax")});
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.output, "sluice: --dataset: " + csv +
                            ": line 1: expected a header with a column \"label\", found \"kind\", "
                            "\"a\", \"b\": name the column to predict by --target\n");
}

// A job that is under way, and a file that is changed under it.
class ChangedDataTest : public testing::Test {
 protected:
  std::string file(const std::string& name) const { return digits_.path() + "/" + name; }
  std::vector<std::string> train(const std::string& epochs) const {
    return {SLUICE_BINARY_DIR "/bin/sluice",
            "train",
            "--dataset",
            digits_.path(),
            "--model",
            "mnist_mlp",
            "--workers",
            "2",
            "--epochs",
            epochs,
            "--verbose",
            "2",
            "--save",
            file("model.sluice"),
            "--report",
            file("report.json")};
  }
  void expect_one_line(const Process& process, const std::string& name) const {
    const std::string& output = process.output();
    EXPECT_THAT(output.substr(output.rfind("sluice: ")), HasSubstr(file(name) + " was written to"));
    EXPECT_THAT(output, Not(HasSubstr("killed by signal")));
  }

  const DigitsFolder digits_{300, 60};
};

TEST_F(ChangedDataTest, ATrainingFileThatIsCutShortEndsTheJobWithItsName) {
  Process process(train("2000"));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/", 120s)) << process.output();
  ASSERT_EQ(truncate(file("train-images-idx3-ubyte").c_str(), 0), 0);
  EXPECT_EQ(process.wait(60s), 1) << process.output();
  expect_one_line(process, "train-images-idx3-ubyte");
}

TEST_F(ChangedDataTest, ATrainingFileThatIsOverwrittenInPlaceEndsTheJobWithItsName) {
  Process process(train("2000"));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/", 120s)) << process.output();
  std::fstream(file("train-images-idx3-ubyte"), std::ios::in | std::ios::out).seekp(500) << "x";
  EXPECT_EQ(process.wait(60s), 1) << process.output();
  expect_one_line(process, "train-images-idx3-ubyte");
}

TEST_F(ChangedDataTest, ATestFileThatIsCutShortDoesNotCostTheModel) {
  Process process(train("3"));
  ASSERT_TRUE(process.wait_for_output("Training on", 120s)) << process.output();
  ASSERT_EQ(truncate(file("t10k-images-idx3-ubyte").c_str(), 0), 0);
  EXPECT_EQ(process.wait(60s), 1) << process.output();
  expect_one_line(process, "t10k-images-idx3-ubyte");
  EXPECT_TRUE(std::filesystem::exists(file("model.sluice")));
  EXPECT_THAT(process.output(), HasSubstr("; it is saved to " + file("model.sluice")));
  std::ifstream report(file("report.json"));
  const std::string text{std::istreambuf_iterator<char>(report), {}};
  EXPECT_THAT(text, HasSubstr("\"server_updates\""));
  EXPECT_THAT(text, Not(HasSubstr("test_accuracy")));
}

// Who replaces a file as one should, by renaming, disturbs nobody.
TEST_F(ChangedDataTest, AFileThatIsReplacedByRenamingIsStillReadAsItWas) {
  Process process(train("20"));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/", 120s)) << process.output();
  std::ofstream(file("new")) << "something else";
  std::filesystem::rename(file("new"), file("train-images-idx3-ubyte"));
  EXPECT_EQ(process.wait(120s), 0) << process.output();
}

}  // namespace
}  // namespace sluice
