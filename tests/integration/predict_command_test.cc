// What `sluice predict` takes, and where its lines go.
#include <gmock/gmock.h>

#include <filesystem>
#include <vector>

#include "data/npy.h"
#include "tests/data/test_files.h"
#include "tests/support/process.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Outcome {
  int status;
  std::string output;
};

std::string array(const Shape& shape, const std::vector<float>& values) {
  return data::npy_header(shape).append(reinterpret_cast<const char*>(values.data()),
                                        values.size() * sizeof(float));
}

class PredictCommandTest : public testing::Test {
 protected:
  // Of a shell in the test's folder; $S is the command and $K the folder with Keras' files.
  Outcome shell(const std::string& line) {
    const std::string before = "cd " + folder_.path() +
                               "; S=" SLUICE_BINARY_DIR "/bin/sluice; K=" SLUICE_SOURCE_DIR
                               "/tests/keras/files; ";
    testing_support::Process process({"/bin/bash", "-c", before + line});
    const int status = process.wait(120s);
    return {status, process.output()};
  }
  // In one line, with status 2.
  void refused(const std::string& line, const std::string& why) {
    SCOPED_TRACE(line);
    const Outcome outcome = shell(line);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_THAT(outcome.output, AllOf(StartsWith("sluice: "), HasSubstr(why), EndsWith("\n")));
    EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 1) << outcome.output;
  }
  // A model of the columns b, a and 0 with 20 numbers, which are no classes.
  void train_on_columns() {
    folder_.write(
        "m.json",
        R"({"class_name":"Sequential","config":{"name":"m","layers":[{"class_name":"InputLayer",)"
        R"("config":{"batch_input_shape":[null,3],"dtype":"float32","name":"in"}},)"
        R"({"class_name":"Dense","config":{"name":"d","units":20,"activation":"linear"}}]}})");
    folder_.write("t.csv", "id,b,a,0,label\nx,1,2,3,0\ny,4,5,6,19\nz,7,8,9,1\nu,2,2,2,3\n");
    const Outcome train = shell(
        "$S train --dataset t.csv --ignore id --model m.json --workers 1 --epochs 1 --save m.keras "
        "--loss 'categorical_crossentropy(from_logits=True)'");
    ASSERT_EQ(train.status, 0) << train.output;
  }

  data::TestFolder folder_;
};

TEST_F(PredictCommandTest, ArraysComeThroughPipes) {
  folder_.write("x.npy", array({2, 3}, {1, 2, 3, 4, 5, 6}));
  const std::string m = " $S predict $K/optimizer_adam.keras ";
  const Outcome file = shell(m + "x.npy | sed 's/x.npy//'");
  EXPECT_EQ(std::count(file.output.begin(), file.output.end(), '\n'), 2) << file.output;
  EXPECT_EQ(shell("cat x.npy |" + m + "- | sed s/^-//").output, file.output);
  EXPECT_EQ(shell("printf '1,2,3\\n[4, [5, 6]]\\n' |" + m + "- | sed s/^-//").output, file.output);
  EXPECT_EQ(shell("cat x.npy |" + m + "/dev/stdin | sed s,/dev/stdin,,").output, file.output);
  EXPECT_EQ(shell(m + "<(cat x.npy) | sed 's,^/dev/fd/[0-9]*,,'").output, file.output);
  refused("head -c 130 x.npy |" + m + "-", "-: its header says [2, 3] numbers of 4 bytes");
  refused("printf 'GIF89a\\0\\1' |" + m + "-", "found a GIF picture: save it as PNG or JPEG");
}

TEST_F(PredictCommandTest, RecordsOfStandardInputAreNumberedFromTheFirstOn) {
  const std::string m = "$S predict $K/optimizer_adam.keras - ";
  EXPECT_THAT(shell("echo 1,2,3 | " + m).output, StartsWith("-[0]  "));
  EXPECT_THAT(shell("echo 1,2,3 | " + m + "--json").output,
              HasSubstr("\"input\":\"-\",\"record\":0"));
}

// Its number would otherwise be that of a file of a library's, which was then read for ever.
TEST_F(PredictCommandTest, StandardInputThatIsClosedIsAnError) {
  const Outcome closed = shell("timeout 60 $S predict $K/cnn.keras - <&-");
  EXPECT_EQ(closed.status, 1);
  EXPECT_THAT(closed.output, HasSubstr("cannot read standard input"));
}

TEST_F(PredictCommandTest, StandardOutputGetsCsv) {
  const std::string m =
      "printf '1,2,3\\n4,5,6\\n' | $S predict $K/optimizer_adam.keras - --output ";
  const Outcome file = shell(m + "y.csv; cat y.csv");
  EXPECT_THAT(file.output, StartsWith("input,record,"));
  EXPECT_EQ(std::count(file.output.begin(), file.output.end(), '\n'), 3) << file.output;
  for (const char* place : {"-", "/dev/stdout", "- | cat", ">(cat) | cat"}) {
    EXPECT_EQ(shell(m + place).output, file.output) << place;
  }
  EXPECT_THAT(shell(m + "- --json").output, StartsWith("{\"input\":\"-\""));
  EXPECT_FALSE(std::filesystem::exists(folder_.path("-")));
  refused(m + "y.txt",
          "--output: expected a name that ends with .npy, .csv or .json, or -, got y.txt");
  const Outcome full = shell(m + "- > /dev/full");
  EXPECT_EQ(full.status, 1) << full.output;
}

TEST_F(PredictCommandTest, WrongInputsEndWithStatusTwo) {
  const std::string m = "$S predict $K/optimizer_adam.keras ";
  folder_.write("x.csv", "1,2,3\n");
  refused(m + "x.csv gone.csv", "cannot open gone.csv: No such file or directory; check the path");
  refused(m + "x.csv .", ".: expected a file, found a folder");
  folder_.write("cut.npy", array({2, 3}, {1, 2, 3, 4, 5}));
  refused(m + "cut.npy", "it is cut short or damaged");
  refused("echo 1 2 3 | " + m + "-", "separate them by commas, or write a JSON array");
  refused("printf '1,2,nan\\n1,2,3\\n' | " + m + "-",
          "-: line 1: cell 3: expected a finite number");
  refused(m + "x.csv --scale 0", "--scale: expected a finite number above 0, such as 1/255");
  refused(m + "x.csv --scale ''", "--scale: expected a finite number above 0");
  refused(m + "x.csv --scale 1/-255", "--scale: expected a finite number above 0");
  refused(m + "x.csv --class-names a,a", "--class-names: two classes are called \"a\"");
  refused(m + "x.csv --class-names a,", "--class-names: a name is empty in \"a,\"");
  refused("$S predict $K/nested.keras c=x.csv",
          "c=x.csv: the model has no input \"c\"; it has image, text");
  refused("$S predict $K/nested.keras text=x.csv text=x.csv",
          "two files for the model's input text");
  refused("$S predict $K/nested.keras text=x.csv", "no file for the model's input image");
}

TEST_F(PredictCommandTest, FlagsThatDoNothingSaySo) {
  folder_.write("x.npy", array({1, 3}, {1, 2, 3}));
  folder_.write("x.csv", "id,u,v,w,price\nx,1,2,3,4\n");
  const std::string m = "$S predict $K/optimizer_adam.keras ";
  const Outcome idle = shell(m + "x.npy --scale 1/255 --ignore id 2>&1 >/dev/null");
  EXPECT_EQ(idle.output,
            "sluice: --scale does nothing here: nothing is done to .npy; --ignore does nothing "
            "here: it is for tables\n");
  const Outcome used =
      shell(m + "x.npy x.csv --scale 1 --ignore id --target price 2>&1 >/dev/null");
  EXPECT_EQ(used.output, "");
  refused(m + "x.csv",
          "5 numbers, but the model takes 3; leave columns out by --target and --ignore");
}

// A name may be a number; objects and headers may have others, in any order.
TEST_F(PredictCommandTest, TablesAndObjectsAreReadByTheModelsColumns) {
  train_on_columns();
  const std::string m = "$S predict m.keras - | sed 's/.*]  //'";
  const Outcome plain = shell("echo 1,2,3 | " + m);
  EXPECT_NE(plain.output, "");
  EXPECT_EQ(shell("printf '0,id,a,b\\n3,nan,2,1\\n' | " + m).output, plain.output);
  EXPECT_EQ(shell(R"(echo '{"0": 3, "id": "x", "a": 2, "b": 1}' | )" + m).output, plain.output);
  refused(R"(echo '{"0": 3, "a": 2}' | $S predict m.keras -)",
          "-: line 1: no \"b\", which the model was trained with; it has \"0\", \"a\"");
  refused(R"(echo '{"0": 3}' | $S predict $K/optimizer_adam.keras -)",
          "a JSON object, but the model's file names no columns; expected an array of 3 numbers");

  folder_.write("more.csv", "note,0,a,b,,label\nx,3,2,1,0,0\ny,3,2,1,0,19\n");
  const Outcome evaluated = shell("$S evaluate m.keras --dataset more.csv");
  EXPECT_EQ(evaluated.status, 0) << evaluated.output;
  EXPECT_EQ(shell("$S evaluate m.keras --dataset more.csv --ignore note").status, 0);
  const Outcome lost = shell("$S evaluate m.keras --dataset more.csv --ignore a");
  EXPECT_EQ(lost.status, 2);
  EXPECT_THAT(lost.output, HasSubstr("column \"a\" is a feature of the model's file: it cannot be "
                                     "ignored"));
}

TEST_F(PredictCommandTest, ATerminalSeesTheFirstOfManyNumbers) {
  train_on_columns();
  folder_.write("x.csv", "1,2,3\n");
  const Outcome terminal = shell("script -qec \"$S predict m.keras x.csv\" /dev/null");
  EXPECT_THAT(terminal.output, HasSubstr(", ... (20 numbers: --output FILE)"));
  EXPECT_EQ(std::count(terminal.output.begin(), terminal.output.end(), ','), 16) << terminal.output;
  const Outcome pipe = shell("$S predict m.keras x.csv");
  EXPECT_THAT(pipe.output, Not(HasSubstr("...")));
  EXPECT_EQ(std::count(pipe.output.begin(), pipe.output.end(), ','), 19) << pipe.output;
}

}  // namespace
}  // namespace sluice
