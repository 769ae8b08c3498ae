// What people get wrong, and the one line they get for it.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "tests/support/digits_folder.h"
#include "tests/support/process.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing_support::DigitsFolder;
using testing_support::Process;

const DigitsFolder& digits() {
  static const DigitsFolder folder(60, 20);
  return folder;
}

struct Outcome {
  int status;
  std::string output;
};

Outcome sluice_command(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), SLUICE_BINARY_DIR "/bin/sluice");
  Process process(arguments);
  const int status = process.wait(60s);
  return {status, process.output()};
}

Outcome train(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"train", "--dataset", digits().path(), "--verbose", "0"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return sluice_command(arguments);
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

struct Mistake {
  std::string name;
  std::vector<std::string> arguments;
  std::string message;
};

class MistakeTest : public testing::TestWithParam<Mistake> {};

TEST_P(MistakeTest, GetsOneClearLineAndANonZeroStatus) {
  std::vector<std::string> arguments = {"--verbose", "1"};  // nothing is announced before
  arguments.insert(arguments.end(), GetParam().arguments.begin(), GetParam().arguments.end());
  const Outcome run = train(arguments);
  EXPECT_EQ(run.status, 2) << run.output;
  EXPECT_THAT(run.output, HasSubstr(GetParam().message));
  EXPECT_THAT(run.output, testing::StartsWith("sluice: "));
  EXPECT_EQ(std::count(run.output.begin(), run.output.end(), '\n'), 1) << run.output;
}

INSTANTIATE_TEST_SUITE_P(
    All, MistakeTest,
    testing::Values(
        Mistake{"ZeroWorkers", {"--workers", "0"}, "--workers: expected 1 to 65536, got 0"},
        Mistake{"NegativeWindow", {"--window", "-3"}, "--window: expected at least 1"},
        Mistake{"UnknownTrainer", {"--trainer", "spark"}, "use one of adag, downpour, dynsgd"},
        Mistake{"MisspeltTrainer", {"--trainer", "DOWNPOURS"}, "did you mean downpour?"},
        Mistake{"TrainerOfDistKeras", {"--trainer", "EnsembleTrainer"}, "did you mean ensemble?"},
        Mistake{"TrainerOfAnotherName", {"--trainer", "FedAvg"}, "did you mean local_sgd?"},
        Mistake{"OptionOfAnotherTrainer",
                {"--trainer", "adag", "--moving-rate", "0.3"},
                "adag has no such option; these trainers do: aeasgd, eamsgd"},
        Mistake{"UnknownOptimizer", {"--optimizer", "adamm"}, "adam"},
        Mistake{"OptimizerArgument",
                {"--optimizer", "adam(lr=1)"},
                "--optimizer: \"adam\" has no argument \"lr\""},
        Mistake{"AveragesThatGrow",
                {"--optimizer", "adam(use_ema=true, ema_momentum=1.5)"},
                "ema_momentum = 1.5: must be from 0 to 1"},
        Mistake{"OptimizerArgumentWithoutItsName",
                {"--optimizer", "adam(0.01)"},
                "--optimizer: \"adam(0.01)\": expected ARGUMENT=VALUE at character 6"},
        Mistake{"UnknownLoss", {"--loss", "triplet"}, "--loss: \"triplet\": use"},
        Mistake{"LossOutOfRange",
                {"--loss", "huber(delta=-1)"},
                "--loss: \"huber\": delta = -1: must be finite and above 0"},
        Mistake{"AnotherReduction",
                {"--loss", "mse(reduction=sum)"},
                "--loss: \"mean_squared_error\": \"reduction\" must be left out"},
        Mistake{"MetricArgumentTwice",
                {"--metrics", "accuracy,bce(from_logits=true,from_logits=false)"},
                "--metrics: \"bce(from_logits=true,from_logits=false)\": \"from_logits\" is given"},
        Mistake{"UnknownMetric", {"--metrics", "auc,f1"}, "--metrics: \"f1\": use \"accuracy\""},
        Mistake{"TopOfMoreThanThereAre",
                {"--metrics", "precision(top_k=11)"},
                "--metrics: \"precision(top_k=11)\" of the output"},
        Mistake{"WeightsOfClassesByName",
                {"--class-weight", "cat:1,dog:2"},
                "--class-weight: expected each class by its number, once, with its weight"},
        Mistake{"UnknownDevice", {"--device", "tpu"}, "tpu"},
        Mistake{"UnknownPrecision", {"--precision", "float16"}, "mixed_bfloat16"},
        Mistake{"DeviceOfAnotherMachine", {"--device", "cuda:77"}, "--device: \"cuda:77\": "},
        Mistake{"NegativeGpuMemory", {"--gpu-memory", "-5"}, "--gpu-memory: expected 0"},
        Mistake{"WrongFlag",
                {"--epoch", "3"},
                "unknown flag --epoch; did you mean --epochs? see sluice train --help"},
        Mistake{"FlagThatResemblesNone",
                {"--frobnicate"},
                "unknown flag --frobnicate; see sluice train --help"},
        Mistake{"BeginningOfTwoFlags", {"--sh"}, "unknown flag --sh; see sluice train --help"},
        Mistake{"BeginningOfOneFlag", {"-e", "3"}, "unknown flag -e; did you mean --epochs?"},
        Mistake{"ArgumentWithoutFlag", {"three"}, "unexpected argument \"three\""},
        Mistake{"SwitchWithAValue",
                {"--shuffle=maybe"},
                "--shuffle takes no value: write --shuffle or --no-shuffle; see sluice train"},
        Mistake{"OppositeWithAValue", {"--no-shuffle=99999999999999999999"}, "takes no value"},
        Mistake{"AlgorithmsSwitchWithAValue",
                {"--overlap=off"},
                "--overlap takes no value: write --overlap or --no-overlap; see sluice train"},
        Mistake{"FlagWithoutItsValue", {"--epochs"}, "--epochs needs a value; see sluice train"},
        Mistake{"NotANumber", {"--epochs", "three"}, "--epochs: expected a whole number"},
        Mistake{"EmptyNumber", {"--epochs", ""}, "--epochs: expected a whole number"},
        Mistake{"NumberOutOfRange", {"--workers", "99999999999"}, "--workers: 99999999999 is out"},
        Mistake{"NegativeSeed", {"--seed", "-1"}, "--seed: expected a whole number that is not"},
        Mistake{"EndlessTimeout", {"--lease-timeout", "inf"}, "--lease-timeout: expected"},
        Mistake{"TimeoutOfNothing",
                {"--lease-timeout", "1e-9"},
                "--lease-timeout: expected 0.1 to 1e9 seconds, got 1e-09"},
        Mistake{"TooManyServers",
                {"--servers", "2147483647", "--workers", "2"},
                "--servers: expected 1 to 65536, got 2147483647"},
        Mistake{"MoreServersThanShards",
                {"--servers", "3", "--shards", "2"},
                "--shards: 2 shards cannot be spread over 3 servers"},
        Mistake{"NoRecordsLeftToTrain",
                {"--validation-split", "0.999"},
                "--validation-split: 0.999 of 60 records leaves none for one of the two parts"},
        Mistake{"WrongAddress", {"--listen", "here"}, "--listen: address \"here\""},
        Mistake{"MissingDataDir",
                {"--dataset", "mnist", "--data-dir", "/nowhere"},
                "--data-dir: /nowhere is no folder that is there"},
        Mistake{"MissingDataDirOfWhatNeedsNone",
                {"--dataset", "digits", "--data-dir", "/nowhere"},
                "--data-dir: /nowhere is no folder that is there"},
        Mistake{"TargetOfWhatHasNoColumns", {"--target", "kind"}, "only CSV files have"},
        Mistake{
            "ModelCannotBeSaved", {"--save", "/nowhere/model"}, "--save: cannot write /nowhere"},
        Mistake{"ReportCannotBeWritten", {"--report", "/nowhere/r"}, "--report: cannot write /now"},
        Mistake{"OneFileForModelAndReport",
                {"--save", "/tmp/sluice-same", "--report", "/tmp/./sluice-same"},
                "--report: expected another file than --save"},
        Mistake{"FormatThatIsNotWritten",
                {"--save", "/tmp/m.tflite"},
                "--save: /tmp/m.tflite: Sluice does not write .tflite"},
        Mistake{"MorePartitionsThanRecords",
                {"--workers", "61", "--batch-size", "1"},
                "--workers: cannot cut 60 records into 61 partitions"},
        Mistake{"MissingModelFile", {"--model", "/nowhere/model.json"}, "/nowhere/model.json"},
        Mistake{"MissingConfig", {"--config", "/nowhere/job.json"}, "/nowhere/job.json"},
        Mistake{"TooManyShards", {"--shards", "1000000"}, "shards"}),
    [](const auto& mistake) { return mistake.param.name; });

TEST(CommandLineTest, TheLastOfSeveralEqualFlagsWins) {
  const Outcome run =
      sluice_command({"train", "--dataset", "mnist", "--no-shuffle", "--workers", "5", "--dataset",
                      "digits", "--shuffle", "--workers", "2", "--print-config"});
  ASSERT_EQ(run.status, 0) << run.output;
  const auto config = nlohmann::json::parse(run.output);
  EXPECT_EQ(config["dataset"], "digits");
  EXPECT_EQ(config["workers"], 2);
  EXPECT_EQ(config["shuffle"], true);
}

TEST(CommandLineTest, NoOutputOverwritesWhatTheJobReads) {
  std::string folder = testing::TempDir() + "/inputs-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string csv = folder + "/d.csv", config = folder + "/c.json", link = folder + "/link",
                    model = folder + "/m";
  std::ofstream(csv) << "label,a,b\n0,1,2\n1,2,3\n0,5,6\n";
  std::ofstream(config) << R"({"epochs": 1})";
  std::ofstream(model) << "{}";
  std::filesystem::create_symlink(csv, link);
  for (const auto& [flag, file] : {std::pair{"--save", csv},
                                   {"--report", csv},
                                   {"--save", link},
                                   {"--report", config},
                                   {"--save", model}}) {
    const Outcome run = sluice_command({"train", "--dataset", csv, "--config", config, "--model",
                                        file == model ? model : "mnist_cnn", flag, file});
    EXPECT_EQ(run.status, 2) << run.output;
    EXPECT_THAT(run.output,
                HasSubstr(std::string(flag) + ": " + file + " is read by this command"));
  }
  std::ifstream left(csv);
  std::string header;
  std::getline(left, header);
  EXPECT_EQ(header, "label,a,b");
  std::filesystem::remove_all(folder);
}

// No file is read for a model that the command knows by name, whatever lies there.
TEST(CommandLineTest, AModelMayBeSavedUnderTheNameOfABuiltInOne) {
  const std::string folder = testing::TempDir(), saved = folder + "/mnist_mlp";
  for (int i = 0; i < 2; ++i) {
    const std::vector<std::string> arguments = {
        "/bin/sh",
        "-c",
        "cd \"$1\" && exec \"$0\" train --dataset \"$2\" --model mnist_mlp --save mnist_mlp "
        "--workers 1 --epochs 1 --verbose 0",
        SLUICE_BINARY_DIR "/bin/sluice",
        folder,
        digits().path()};
    Process process(arguments);
    EXPECT_EQ(process.wait(120s), 0) << process.output();
    EXPECT_TRUE(std::filesystem::exists(saved));
  }
  std::filesystem::remove(saved);
}

TEST(CommandLineTest, MistakesInAConfigNameTheFileAndThoseOfFlagsTheFlag) {
  const std::string config = testing::TempDir() + "/mistakes-" + std::to_string(getpid());
  const auto error = [&](const std::string& json, std::vector<std::string> more = {}) {
    std::ofstream(config) << json;
    std::vector<std::string> arguments = {"train", "--config", config};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return sluice_command(arguments).output;
  };
  EXPECT_THAT(error(R"({"epochs": 0})"), HasSubstr(config + ": epochs: expected at least 1 epoch"));
  EXPECT_THAT(error(R"({"loss": "triplet"})"), HasSubstr(config + ": loss \"triplet\": use"));
  EXPECT_THAT(error(R"({"metrics": ["accuracy", "f1"]})"),
              HasSubstr(config + ": metrics: \"f1\": use"));
  EXPECT_THAT(error(R"({"loss": {"class_name": "Huber", "config": {"delta": 0}}})"),
              HasSubstr(config + ": loss \"huber\": delta = 0: must be finite and above 0"));
  EXPECT_THAT(error(R"({"window": 0})"), HasSubstr(config + ": window: expected"));
  EXPECT_THAT(error(R"({"epochs": 3})", {"--epochs", "0"}), HasSubstr("--epochs: expected"));
  EXPECT_THAT(error(""), HasSubstr(config + " is empty"));
  EXPECT_THAT(error(std::string(100000, '[')), HasSubstr("levels deep"));
  EXPECT_THAT(error(R"({"learning_rate": 1e400})"), HasSubstr(config + ": a number is out of"));
  EXPECT_THAT(error(R"({"epochs": 1, "epochs": 2})"), HasSubstr(config + ": \"epochs\" is there"));
  EXPECT_THAT(error(R"({"optimizer": {"name": "sgd", "learning_rate": -1}})"),
              HasSubstr(config + ": optimizer: \"sgd\": learning_rate = -1: must be"));
  EXPECT_THAT(error(R"({"dataset": "nowhere"})"),
              HasSubstr(config + ": dataset: \"nowhere\": exp"));
  EXPECT_THAT(error(R"({"model": "/nowhere/m"})"), HasSubstr(config + ": model: "));
  EXPECT_THAT(error(R"({"dataset": "digits", "device": "cuda:77"})"),
              HasSubstr(config + ": device: \"cuda:77\": "));
  EXPECT_THAT(error(R"({"dataset": "digits", "parallelism_factor": 60000})"),
              HasSubstr(config + ": parallelism_factor: cannot cut 60000 records"));
  EXPECT_THAT(error(R"({"epochs": 3})", {"--dataset", "nowhere"}),
              HasSubstr("sluice: --dataset: \"nowhere\": expected"));
  std::filesystem::remove(config);
}

TEST(CommandLineTest, AJobThatIsRefusedLeavesTheHistoryOfTheOneBefore) {
  const std::string history = digits().path() + "/kept.jsonl";
  write_file(history, "kept\n");
  const Outcome run = train({"--history", history, "--validation-split", "0.999"});
  EXPECT_EQ(run.status, 2) << run.output;
  EXPECT_EQ(std::filesystem::file_size(history), 5u);
}

// Its servers are heard of several times in it: a heartbeat a second would be one too few.
TEST(CommandLineTest, ASecondIsEnoughToTellASilentServer) {
#if defined(SLUICE_SANITIZED)
  const char* const epochs = "30";  // each takes ten times as long
#else
  const char* const epochs = "200";
#endif
  const Outcome run =
      train({"--model", "mnist_mlp", "--workers", "1", "--epochs", epochs, "--peer-timeout", "1"});
  EXPECT_EQ(run.status, 0) << run.output;
}

// One byte of Latin-1, which is no UTF-8.
TEST(CommandLineTest, PathsMayHaveAnyBytes) {
  const Outcome run = sluice_command({"train", "--data-dir", "/tmp/d\xe9", "--print-config"});
  EXPECT_EQ(run.status, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("/tmp/d"));
}

TEST(CommandLineTest, PrintedConfigHasOneLearningRate) {
  const Outcome run = sluice_command({"train", "--learning-rate", "0.5", "--print-config"});
  ASSERT_EQ(run.status, 0) << run.output;
  const auto config = nlohmann::json::parse(run.output);
  EXPECT_EQ(config["optimizer"]["config"]["learning_rate"], 0.5);
  EXPECT_EQ(config["learning_rate"], 0);
}

TEST(CommandLineTest, ATrainerIsPrintedByItsOwnNameWithAsManyWorkersAsItTakes) {
  const auto config_of = [](const std::string& trainer) {
    const Outcome run = sluice_command({"train", "--trainer", trainer, "--print-config"});
    EXPECT_EQ(run.status, 0) << run.output;
    return nlohmann::json::parse(run.output);
  };
  EXPECT_EQ(config_of("Dc-ASGD")["trainer"], "dc_asgd");
  EXPECT_EQ(config_of("dc_asgd")["workers"], 3);
  EXPECT_EQ(config_of("single")["workers"], 1);
  EXPECT_EQ(sluice_command({"train", "--trainer", "single", "--workers", "3"}).status, 2);
}

TEST(CommandLineTest, ServersThatStepRefuseConstraintsOfWeights) {
  const std::string model = digits().path() + "/constrained.json";
  write_file(model, R"({"class_name": "Sequential", "config": {"name": "m", "layers": [
      {"class_name": "InputLayer", "config": {"batch_shape": [null, 28, 28, 1], "name": "x"}},
      {"class_name": "Flatten", "config": {"name": "flat"}},
      {"class_name": "Dense", "config": {"name": "d", "units": 10, "activation": "softmax",
                                         "kernel_constraint": "max_norm"}}]}})");
  const Outcome run = train({"--model", model, "--trainer", "async_sgd"});
  EXPECT_EQ(run.status, 2) << run.output;
  EXPECT_THAT(run.output, HasSubstr("know no constraints of weights"));
}

TEST(CommandLineTest, RolesRefuseWhatCannotWorkAtOnce) {
  for (const auto& [arguments, message] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"worker", "--driver", "nowhere"}, "--driver: address \"nowhere\""},
           {{"server", "--driver", "a:1", "--advertise", "b"}, "--advertise: address \"b\""},
           {{"worker", "--driver", "a:1", "--join-timeout", "1e30"}, "--join-timeout: expected"},
           {{"worker", "--driver", "a:1", "--join-timeout", "1e-9"},
            "--join-timeout: expected 0.1 to 1e9 seconds"},
           {{"worker", "--driver", "a:1", "--index", ""}, "--index: expected a whole number"},
           {{"worker", "--driver", "a:0"}, "--driver: a:0 has no port to connect to"},
           {{"server", "--driver", "a:1", "--advertise", "b:0"}, "--advertise: b:0 has no port"},
           {{"driver", "--device", "tpu"}, "--device: \"tpu\" is not known; use "},
           {{"driver", "--listen", "nohost.invalid:7"}, "--listen: cannot listen on nohost.inva"},
           {{"driver", "--listen", "192.0.2.1:7070"}, "it is not an address of this host; 0.0"},
           {{"train", "--listen", "unix:/nowhere/s"}, "--listen: cannot listen on unix:/nowhere"},
           {{"train", "--listen", "unix:/dev/null"}, "there is a file of that name; choose ano"},
           {{"server", "--driver", "a:1", "--listen", "here"}, "--listen: address \"here\""},
           {{"server", "--driver", "a:1", "--listen", "nohost.invalid:7"},
            "--listen: cannot listen on nohost.invalid:7: there is no host"},
           {{"server", "--driver", "a:1", "--listen", "192.0.2.1:7070"},
            "--listen: cannot listen on 192.0.2.1:7070: it is not an address of this host"},
           {{"server", "--driver", "a:1", "--threads", "0"}, "--threads: expected 1 to 256, got 0"},
           {{"worker", "--driver", "a:1", "--device", "tpu"}, "--device: \"tpu\" is not"},
       }) {
    const Outcome run = sluice_command(arguments);
    EXPECT_EQ(run.status, 2) << run.output;
    EXPECT_THAT(run.output, HasSubstr(message));
  }
}

// The link stands for /dev/stdout, which a test had better leave alone.
TEST(CommandLineTest, ReportCanGoToStandardOutput) {
  const std::string link = digits().path() + "/stdout";
  std::filesystem::create_symlink("/proc/self/fd/1", link);
  const Outcome run = train({"--workers", "1", "--epochs", "1", "--report", link});
  EXPECT_EQ(run.status, 0) << run.output;
  EXPECT_TRUE(nlohmann::json::parse(run.output).contains("test_accuracy")) << run.output;
  EXPECT_TRUE(std::filesystem::is_symlink(link));
}

Outcome shell(const std::string& command) {
  Process process({"bash", "-c", command});
  const int status = process.wait(120s);
  return {status, process.output()};
}

std::string train_command(const std::string& more) {
  return SLUICE_BINARY_DIR "/bin/sluice train --dataset " + digits().path() +
         " --workers 1 --epochs 2 " + more;
}

TEST(CommandLineTest, ASilentJobSaysNothing) {
  const Outcome run = shell(train_command("--verbose 0"));
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.output, "");
}

TEST(CommandLineTest, AReportOnStandardOutputIsNothingButJson) {
  for (const char* to : {"-", "/dev/stdout"}) {
    const Outcome run = shell(train_command(std::string("2>/dev/null --report ") + to));
    EXPECT_EQ(run.status, 0);
    const auto report = nlohmann::json::parse(run.output, nullptr, false);
    ASSERT_TRUE(report.is_object()) << run.output;
    EXPECT_EQ(report["history"][1]["epoch"], 2);
  }
  // What people read is not lost.
  const Outcome people = shell(train_command("2>&1 >/dev/null --report -"));
  EXPECT_THAT(people.output, HasSubstr("(test set of "));
}

TEST(CommandLineTest, AnEpochIsALineOfJsonAsItEnds) {
  const Outcome run = shell(train_command("2>/dev/null --verbose 0 --history -"));
  EXPECT_EQ(run.status, 0);
  std::istringstream lines(run.output);
  std::string line;
  int epochs = 0;
  while (std::getline(lines, line)) {
    const auto entry = nlohmann::json::parse(line, nullptr, false);
    ASSERT_TRUE(entry.is_object()) << line;
    EXPECT_EQ(entry["epoch"], ++epochs);
    EXPECT_TRUE(entry.contains("loss") && entry.contains("seconds")) << line;
  }
  EXPECT_EQ(epochs, 2);
  const Outcome full = shell(train_command("--verbose 0 --history /dev/full"));
  EXPECT_EQ(full.status, 1);
  EXPECT_THAT(full.output, HasSubstr("cannot write /dev/full: No space left on device"));
}

// As a full disk: the training goes on, and what it has learned is saved.
TEST(CommandLineTest, AReaderThatGoesAwayCostsItsLinesOnly) {
  const std::string model = digits().path() + "/lost_reader.sluice";
  const Outcome run = shell("{ " + train_command("--verbose 0 --history - --save " + model) +
                            " || echo status $? >&2; } | true");
  EXPECT_THAT(run.output, HasSubstr("cannot write /dev/stdout: Broken pipe"));
  EXPECT_THAT(run.output, HasSubstr("status 1"));
  EXPECT_TRUE(std::filesystem::exists(model));
}

// Read back on another machine, or as a shell's function, it still means standard output.
TEST(CommandLineTest, ThePrintedConfigSaysStandardOutputAsItWasAskedFor) {
  const Outcome run = sluice_command({"train", "--report", "-", "--print-config"});
  EXPECT_EQ(nlohmann::json::parse(run.output)["report"], "-");
  const Outcome report = shell(train_command("2>/dev/null --report -"));
  EXPECT_EQ(nlohmann::json::parse(report.output)["config"]["report"], "-");
}

TEST(CommandLineTest, TwoOutputsAreNotOne) {
  const Outcome run = shell(train_command("--report - --history /dev/stdout"));
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.output, HasSubstr("--history: expected another file than --report"));
}

// While the file is not there, two spellings of its name can only be compared as names.
TEST(CommandLineTest, TwoOutputsAreNotOneUnderTwoNames) {
  std::string folder = testing::TempDir() + "/names-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  std::filesystem::create_symlink("model", folder + "/link");
  const std::string begin = "cd " + folder + " && ";
  for (const char* flags : {"--save model --report ./model", "--save $PWD/model --report model",
                            "--save model --report link", "--history ./link --report $PWD/model"}) {
    const Outcome run = shell(begin + train_command(flags));
    EXPECT_EQ(run.status, 2) << flags;
    EXPECT_THAT(run.output, HasSubstr("expected another file than --")) << flags;
  }
  const Outcome socket = shell(begin + train_command("--listen unix:$PWD/model --save ./model"));
  EXPECT_EQ(socket.status, 2);
  EXPECT_THAT(socket.output, HasSubstr("--save: ./model is the job's own socket"));
  std::filesystem::remove_all(folder);
}

TEST(CommandLineTest, AModelFileThatIsDamagedIsAMistakeLikeAWrongFlag) {
  const std::string model = digits().path() + "/damaged.sluice";
  ASSERT_EQ(shell(train_command("--save " + model)).status, 0);
  std::filesystem::resize_file(model, std::filesystem::file_size(model) - 1);
  const Outcome run = shell(train_command("--model " + model));
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.output, HasSubstr("damaged.sluice"));
}

// A file that is opened gets the lowest number that is free: lines for people must not go there.
TEST(CommandLineTest, ClosedStandardFilesHarmNobody) {
  const std::string report = digits().path() + "/closed.json";
  const Outcome run = shell(train_command("<&- 2>&- >/dev/null --verbose 2 --report " + report));
  EXPECT_EQ(run.status, 0);
  std::ifstream file(report);
  EXPECT_TRUE(nlohmann::json::parse(file, nullptr, false).is_object());
  const Outcome mute = shell(train_command(">&- --log-level off"));
  EXPECT_EQ(mute.status, 1);
  EXPECT_THAT(mute.output, HasSubstr("cannot write to standard output"));
}

TEST(CommandLineTest, AnOutputThatWasClosedIsRefusedAtOnce) {
  for (const char* flag : {"--save", "--report", "--history"}) {
    for (const char* closed : {" - >&-", " - </dev/null 1<&0", " /dev/stdout >&-"}) {
      const Outcome run = shell(train_command(std::string(flag) + closed));
      EXPECT_EQ(run.status, 2) << flag << closed;
      EXPECT_THAT(run.output, testing::StartsWith("sluice: " + std::string(flag) +
                                                  ": cannot write /dev/stdout: "));
      EXPECT_EQ(std::count(run.output.begin(), run.output.end(), '\n'), 1) << run.output;
    }
  }
  EXPECT_EQ(shell(train_command("--report /dev/null --verbose 0 2>&-")).status, 0);
}

// Known from the model, before the data is looked for.
TEST(CommandLineTest, AModelThatThereIsNoRoomForIsRefusedAtOnce) {
  const std::string path = digits().path() + "/too_large";
  for (const char* flag : {"--save", "--report"}) {
    const Outcome run = shell("ulimit -f 8; " SLUICE_BINARY_DIR "/bin/sluice train --dataset " +
                              std::string("/nowhere ") + flag + " " + path);
    EXPECT_EQ(run.status, 2) << run.output;
    EXPECT_THAT(run.output, testing::ContainsRegex(std::string(flag) + ": cannot write " + path +
                                                   ": File too large; it takes [0-9.]+ [KM]B in "));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(CommandLineTest, APipesReaderIsWaitedForBeforeTheTraining) {
  const std::string pipe = digits().path() + "/report.fifo";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  Process process({SLUICE_BINARY_DIR "/bin/sluice", "train", "--dataset", digits().path(),
                   "--epochs", "1", "--report", pipe});
  ASSERT_TRUE(process.wait_for_output("waiting for somebody to read " + pipe, 30s));
  EXPECT_THAT(process.output(), testing::Not(HasSubstr("Epoch 1/")));
  std::ifstream reader(pipe);
  EXPECT_TRUE(nlohmann::json::parse(reader, nullptr, false).is_object());
  EXPECT_EQ(process.wait(60s), 0) << process.output();
  std::filesystem::remove(pipe);
}

TEST(CommandLineTest, WhoShallWriteToAPipeIsWaitedForAndThatIsSaid) {
  const std::string pipe = digits().path() + "/input.fifo";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const auto print_config = [&pipe](const char* flag) {
    return std::vector<std::string>{SLUICE_BINARY_DIR "/bin/sluice", "train", flag, pipe};
  };
  Process config(print_config("--config"));
  ASSERT_TRUE(config.wait_for_output("waiting for somebody to write to " + pipe, 30s));
  write_file(pipe, R"({"epochs": 0})");
  EXPECT_EQ(config.wait(60s), 2);
  EXPECT_THAT(config.output(), HasSubstr(pipe + ": epochs: expected"));
  Process model(print_config("--model"));
  ASSERT_TRUE(model.wait_for_output("waiting for somebody to write to " + pipe, 30s));
  write_file(pipe, "no model");
  EXPECT_EQ(model.wait(60s), 2);
  EXPECT_THAT(model.output(), HasSubstr(pipe + ": "));
  std::filesystem::remove(pipe);
}

TEST(CommandLineTest, InputsMayBeAShellsPipes) {
  const std::string model = digits().path() + "/through_a_pipe.sluice";
  ASSERT_EQ(shell(train_command("--save " + model)).status, 0);
  const Outcome run =
      shell(train_command("--verbose 0 --config <(echo '{\"epochs\": 1}') "
                          "--model <(cat " +
                          model + ")"));
  EXPECT_EQ(run.status, 0) << run.output;
  EXPECT_EQ(run.output, "");
  std::filesystem::remove(model);
}

TEST(CommandLineTest, OutputsMayBeAShellsPipes) {
  const Outcome run = sluice_command({"--version"});
  ASSERT_EQ(run.status, 0);
  Process process(
      {"bash", "-c",
       train_command("--verbose 0 --report >(cat) --save >(wc -c) --history >(wc -l)") + "; wait"});
  EXPECT_EQ(process.wait(60s), 0) << process.output();
  EXPECT_TRUE(process.wait_for_output("\"server_updates\"", 10s)) << process.output();
}

// The signal's default would end the job, and what it has learned.
TEST(CommandLineTest, AHistoryThatGrowsTooLargeIsAnErrorAndNoSignal) {
  const std::string path = digits().path() + "/long_history";
  write_file(path, "");
  const Outcome run =
      shell("ulimit -f 1; " + train_command("--verbose 0 --epochs 40 --history " + path));
  EXPECT_EQ(run.status, 1) << run.output;
  EXPECT_EQ(run.output, "sluice: cannot write " + path + ": File too large\n");
  std::filesystem::remove(path);
}

TEST(CommandLineTest, OutputThatMayNotGrowCostsItsLinesOnly) {
  const std::string path = digits().path() + "/long_lines", limit = "ulimit -f 1; ";
  const Outcome lines = shell(limit + train_command("--epochs 40 --verbose 2 2>" + path));
  EXPECT_EQ(lines.status, 0);
  EXPECT_THAT(lines.output, HasSubstr("Accuracy: "));
  EXPECT_EQ(std::filesystem::file_size(path), 1024u);
  const Outcome help = shell(limit + SLUICE_BINARY_DIR "/bin/sluice help train >" + path);
  EXPECT_EQ(help.status, 1);
  EXPECT_EQ(help.output, "sluice: cannot write to standard output\n");
  std::filesystem::remove(path);
}

// A link that is made while the job runs must not lead its output onto its input.
TEST(CommandLineTest, WhereAnOutputGoesIsFoundOutAtTheStart) {
  const std::string input = digits().path() + "/train-labels-idx1-ubyte",
                    model = digits().path() + "/late_link";
  const auto bytes = std::filesystem::file_size(input);
  Process process({SLUICE_BINARY_DIR "/bin/sluice", "train", "--dataset", digits().path(),
                   "--epochs", "100000", "--save", model});
  ASSERT_TRUE(process.wait_for_output("Epoch 1/", 60s)) << process.output();
  std::filesystem::create_symlink(input, model);
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(60s), 128 + SIGTERM);
  EXPECT_THAT(process.output(), HasSubstr("saved to " + model));
  EXPECT_EQ(std::filesystem::file_size(input), bytes);
  EXPECT_FALSE(std::filesystem::is_symlink(model));
  std::filesystem::remove(model);
}

#ifndef SLUICE_SANITIZED  // sanitizers need all the address space there is
TEST(CommandLineTest, LimitsThatAreTooLowAreNamed) {
  const std::string little = "ulimit -v 250000; ";
  for (const std::string& command :
       {train_command(""), std::string(SLUICE_BINARY_DIR "/bin/sluice server --driver 127.0.0.1:1"),
        std::string(SLUICE_BINARY_DIR "/bin/sluice worker --driver 127.0.0.1:1")}) {
    const Outcome run = shell(little + command);
    EXPECT_EQ(run.status, 1) << run.output;
    EXPECT_THAT(run.output,
                testing::ContainsRegex("only [0-9]+ of [0-9]+ threads could be started"));
    EXPECT_THAT(run.output, HasSubstr("ulimit -v"));
  }
}
#endif

TEST(CommandLineTest, TooFewOpenFilesAreNamedAtOnce) {
#if defined(SLUICE_SANITIZED)
  GTEST_SKIP() << "the sanitizers open files of their own";
#endif
  for (const std::string& command :
       {train_command(""), std::string(SLUICE_BINARY_DIR "/bin/sluice server --driver 127.0.0.1:1"),
        std::string(SLUICE_BINARY_DIR "/bin/sluice worker --driver 127.0.0.1:1")}) {
    for (const char* files : {"5", "12"}) {
      const Outcome run = shell(std::string("ulimit -n ") + files + "; " + command);
      EXPECT_EQ(run.status, 1) << run.output;
      EXPECT_THAT(run.output,
                  testing::ContainsRegex("only [0-9]+ of [0-9]+ files could be opened"));
      EXPECT_THAT(run.output, HasSubstr("ulimit -n"));
    }
  }
}

TEST(CommandLineTest, AFileThatIsNoJobIsToldWhatItIs) {
  const std::string path = digits().path() + "/other.json";
  write_file(path, R"({"class_name": "Sequential", "config": {}})");
  EXPECT_THAT(train({"--config", path}).output, HasSubstr("this is a model, not a job"));
  write_file(path, R"({"server_updates": 7, "config": {}})");
  EXPECT_THAT(train({"--config", path}).output, HasSubstr("this is a report, not a job"));
}

TEST(CommandLineTest, OutputThatCannotBeWrittenIsAFailure) {
  Process process({"sh", "-c", SLUICE_BINARY_DIR "/bin/sluice train --print-config > /dev/full"});
  EXPECT_EQ(process.wait(60s), 1);
  EXPECT_THAT(process.output(), HasSubstr("cannot write to standard output"));
}

TEST(CommandLineTest, SignalToTheDriverAloneEndsAJobWithAStoppedMember) {
  for (const char* role : {"worker", "server"}) {
    Process process({SLUICE_BINARY_DIR "/bin/sluice", "train", "--dataset", digits().path(),
                     "--epochs", "100000", "--verbose", "2", "--workers", "2"});
    ASSERT_TRUE(process.wait_for_output("Epoch 1/", 60s)) << process.output();
    std::filesystem::path folder;
    const auto children = process.children();
    ASSERT_EQ(children.size(), 3u);
    bool stopped = false;
    for (pid_t pid : children) {
      const auto arguments = testing_support::command_line(pid);
      ASSERT_GT(arguments.size(), 4u);
      if (arguments[2] == "server")
        folder = std::filesystem::path(arguments[4].substr(5)).parent_path();
      if (arguments[2] == role && !std::exchange(stopped, true)) kill(pid, SIGSTOP);
    }
    ASSERT_TRUE(std::filesystem::exists(folder));
    const auto begin = std::chrono::steady_clock::now();
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(20s), 128 + SIGTERM) << process.output();
    // 2 s are promised; a sanitizer's build on a busy machine gets more.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
    EXPECT_THAT(process.output(), HasSubstr("sluice: interrupted"));
    for (pid_t pid : children) EXPECT_FALSE(testing_support::alive(pid)) << role << " " << pid;
    EXPECT_FALSE(std::filesystem::exists(folder)) << role;
  }
}

TEST(CommandLineTest, BadDataFilesGetOneClearLine) {
  const DigitsFolder folder(60, 20);
  const std::string images = folder.path() + "/train-images-idx3-ubyte";
  const auto run = [&] {
    return sluice_command({"train", "--dataset", folder.path(), "--verbose", "0"});
  };
  std::filesystem::resize_file(images, 1000);
  Outcome cut = run();
  EXPECT_EQ(cut.status, 2);
  EXPECT_THAT(cut.output, HasSubstr(images));
  write_file(images, "this is not an IDX file, whatever its name says");
  Outcome rubbish = run();
  EXPECT_EQ(rubbish.status, 2);
  EXPECT_THAT(rubbish.output, HasSubstr(images));
  std::filesystem::remove(images);
  Outcome missing = run();
  EXPECT_EQ(missing.status, 2);
  EXPECT_THAT(missing.output, HasSubstr("train-images"));
}

TEST(CommandLineTest, LabelsOutOfRangeNameTheRecord) {
  const DigitsFolder folder(60, 20);
  std::fstream labels(folder.path() + "/train-labels-idx1-ubyte",
                      std::ios::in | std::ios::out | std::ios::binary);
  labels.seekp(8 + 17);
  labels.put(11);
  labels.close();
  const Outcome run = sluice_command({"train", "--data-dir", folder.path(), "--verbose", "0"});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.output, HasSubstr("17"));
  EXPECT_THAT(run.output, HasSubstr("11"));
}

TEST(CommandLineTest, ConfigFileSetsFlagsAndFlagsWin) {
  const std::string path = digits().path() + "/job.json";
  write_file(path,
             R"({"epochs": 7, "batch-size": 8, "optimizer": {"name": "sgd", "momentum": 0.9}})");
  const Outcome run =
      sluice_command({"train", "--epochs", "9", "--config", path, "--print-config"});
  ASSERT_EQ(run.status, 0) << run.output;
  const auto config = nlohmann::json::parse(run.output);
  EXPECT_EQ(config["epochs"], 9);
  EXPECT_EQ(config["batch_size"], 8);
  EXPECT_EQ(config["window"], 5);
  EXPECT_EQ(config["optimizer"]["class_name"], "SGD");
  EXPECT_NEAR(config["optimizer"]["config"]["momentum"].get<double>(), 0.9, 1e-6);
}

TEST(CommandLineTest, MisspeltNameInAConfigFileIsSuggestedRight) {
  const std::string path = digits().path() + "/job.json";
  write_file(path, R"({"epoch": 7})");
  const Outcome run = sluice_command({"train", "--config", path, "--print-config"});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.output, HasSubstr("did you mean \"epochs\"?"));
}

TEST(CommandLineTest, PrintedConfigCanBeReadBack) {
  const Outcome first = sluice_command({"train", "--window", "9", "--print-config"});
  const std::string path = digits().path() + "/printed.json";
  write_file(path, first.output);
  EXPECT_EQ(sluice_command({"train", "--config", path, "--print-config"}).output, first.output);
}

TEST(CommandLineTest, UnreachableDriverIsNamedAndGivenUp) {
  const Outcome run = sluice_command(
      {"worker", "--driver", "127.0.0.1:1", "--join-timeout", "1", "--log-level", "off"});
  EXPECT_EQ(run.status, 4) << "which looks like no failure of the training";
  EXPECT_THAT(run.output, HasSubstr("127.0.0.1:1"));
}

TEST(CommandLineTest, PortInUseIsNamed) {
  Process first({SLUICE_BINARY_DIR "/bin/sluice", "driver", "--dataset", digits().path(),
                 "--listen", "127.0.0.1:0"});
  ASSERT_TRUE(first.wait_for_output("listening at 127.0.0.1:", 30s)) << first.output();
  const size_t at = first.output().find("127.0.0.1:");
  const std::string address = first.output().substr(at, first.output().find(' ', at) - at);
  const Outcome second = sluice_command(
      {"driver", "--dataset", digits().path(), "--listen", address, "--verbose", "0"});
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.output, HasSubstr("cannot listen on " + address));
  // At once, and not when the data is there.
  const Outcome third = sluice_command({"driver", "--dataset", "/nowhere", "--listen", address});
  EXPECT_THAT(third.output, HasSubstr("cannot listen on " + address));
}

// Of a real group, where the tests may make one.
TEST(CommandLineTest, AQuotaOfItsControlGroupIsCounted) {
  const std::string group = "/sys/fs/cgroup/cpu/sluice-test-" + std::to_string(getpid());
  std::error_code error;
  if (!std::filesystem::create_directory(group, error)) {
    GTEST_SKIP() << "no control group of version 1 can be made: " << error.message();
  }
  write_file(group + "/cpu.cfs_quota_us", "50000");
  Process devices(
      {"env", "-u", "OMP_NUM_THREADS", "-u", "SLURM_CPUS_PER_TASK", "sh", "-c",
       "echo $$ > " + group + "/cgroup.procs && exec " SLUICE_BINARY_DIR "/bin/sluice devices"});
  EXPECT_EQ(devices.wait(30s), 0);
  std::filesystem::remove(group, error);
  EXPECT_THAT(devices.output(), HasSubstr("0.5 cores for this process: cgroup quota"));
}

TEST(CommandLineTest, DevicesAreListedWithWhatIsMissing) {
  setenv("SLUICE_CUDA_PLUGIN", "/nowhere/plugin.so", 1);
  const Outcome without = sluice_command({"devices"});
  const Outcome train = sluice_command({"train", "--dataset", digits().path(), "--device", "cuda"});
  unsetenv("SLUICE_CUDA_PLUGIN");
  EXPECT_EQ(without.status, 0) << without.output;
  EXPECT_THAT(without.output, testing::StartsWith("cpu     oneDNN "));
  EXPECT_THAT(without.output, HasSubstr("precisions: float32"));
  EXPECT_THAT(without.output, HasSubstr("none: the CUDA plug-in /nowhere/plugin.so is not"));
  EXPECT_EQ(train.status, 2);
  EXPECT_THAT(train.output,
              HasSubstr("--device: \"cuda\": the CUDA plug-in /nowhere/plugin.so is"));
  const Outcome here = sluice_command({"devices"});  // whatever this machine has
  EXPECT_EQ(here.status, 0) << here.output;
  EXPECT_THAT(here.output, HasSubstr("\ncuda"));
}

TEST(CommandLineTest, UnknownCommandIsNamed) {
  const Outcome run = sluice_command({"trian"});
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.output,
            "sluice: unknown command \"trian\"; did you mean train? see sluice --help\n");
}

// As under a pager that was stopped.
TEST(CommandLineTest, InterruptEndsAJobWhoseOutputNobodyReads) {
  Process process({SLUICE_BINARY_DIR "/bin/sluice", "train", "--dataset", digits().path(),
                   "--epochs", "100000", "--verbose", "2", "--workers", "2", "--batch-size", "8"});
  ASSERT_TRUE(process.wait_for_output("Epoch 1/", 60s)) << process.output();
  const auto children = process.children();
  ASSERT_EQ(children.size(), 3u);
  // The pipe is full when nothing goes into it any more.
  ASSERT_TRUE(process.wait_until_output_is_stuck(180s));
  const auto begin = std::chrono::steady_clock::now();
  process.signal(SIGINT);
  while (process.running() && std::chrono::steady_clock::now() - begin < 20s) usleep(1000);
  EXPECT_FALSE(process.running());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  for (pid_t pid : children) {
    for (int i = 0; i < 1000 && testing_support::alive(pid); ++i) usleep(10000);
    EXPECT_FALSE(testing_support::alive(pid)) << pid;
  }
}

}  // namespace
}  // namespace sluice
