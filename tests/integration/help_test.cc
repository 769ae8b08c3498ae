// What the command tells of itself: help, the manual page and completion.
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

#include "algorithm/algorithm.h"
#include "tests/support/process.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing_support::Process;

namespace fs = std::filesystem;

constexpr const char* kCommand = SLUICE_BINARY_DIR "/bin/sluice";

struct Outcome {
  int status;
  std::string output;
};

Outcome run(const std::vector<std::string>& arguments) {
  Process process(arguments);
  const int status = process.wait(60s);
  return {status, process.output()};
}

std::string told(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), kCommand);
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  return outcome.output;
}

const std::vector<std::string> kCommands = {
    "train",   "driver",  "server",  "worker",     "status", "ctl",  "predict", "evaluate",
    "summary", "convert", "devices", "completion", "manual", "help", "version"};

TEST(HelpTest, IsThereUnderEveryName) {
  const std::string help = told({"train", "--help"});
  EXPECT_EQ(told({"help", "train"}), help);
  EXPECT_EQ(told({"train", "-h"}), help);
  EXPECT_EQ(told({"version"}), told({"-V"}));
}

TEST(HelpTest, ListsEveryCommand) {
  const std::string help = told({"--help"});
  for (const std::string& command : kCommands) EXPECT_THAT(help, HasSubstr("\n  " + command + " "));
}

TEST(HelpTest, SaysWhatEachTrainerDoes) {
  const std::string help = told({"help", "train"});
  const size_t at = help.find("\nTrainers; begin with adag.");
  ASSERT_NE(at, std::string::npos) << help;
  for (const algorithm::Algorithm* algorithm : algorithm::algorithms()) {
    EXPECT_NE(help.find(std::string("\n  ") + algorithm->name + " ", at), std::string::npos)
        << algorithm->name;
  }
}

TEST(HelpTest, IsEnoughToGetGoing) {
  const std::string help = told({"train", "--help"});
  EXPECT_THAT(help, HasSubstr("\nTraining:\n"));
  EXPECT_THAT(help, HasSubstr("adag|downpour|dynsgd|aeasgd|eamsgd|"));
  EXPECT_THAT(help, HasSubstr("--epochs NUMBER           passes over the dataset (default: 5)\n"));
  EXPECT_THAT(help, HasSubstr("--shuffle, --no-shuffle   shuffle once"));
  for (const char* flag :
       {"--dataset", "--data-dir", "--model", "--optimizer", "--loss", "--workers", "--batch-size",
        "--window", "--learning-rate", "--seed", "--threads-per-worker", "--validation-split",
        "--save", "--report", "--device", "--listen", "--config", "--stall-timeout"}) {
    EXPECT_THAT(help, HasSubstr(flag));
  }
}

TEST(HelpTest, IsNoWiderThanAPageAndHasNoGaps) {
  for (const std::string& command : kCommands) {
    const std::string help = told({command, "--help"});
    EXPECT_THAT(help, Not(HasSubstr("\n\n\n"))) << command;
    std::istringstream lines(help);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
  }
}

// script(1) gives a command a terminal, whose width stty(1) sets.
TEST(HelpTest, IsAsWideAsTheTerminal) {
  if (!fs::exists("/usr/bin/script")) GTEST_SKIP() << "script is not installed";
  const auto longest = [](int columns) {
    const Outcome shown = run(
        {"script", "-qec",
         "stty cols " + std::to_string(columns) + " && " + kCommand + " help worker", "/dev/null"});
    std::istringstream lines(shown.output);
    size_t most = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with('\r')) line.pop_back();
      if (!line.starts_with(" ")) most = std::max(most, line.size());
    }
    return most;
  };
  EXPECT_THAT(longest(60), testing::AllOf(testing::Gt(50u), testing::Le(60u)));
  EXPECT_THAT(longest(95), testing::AllOf(testing::Gt(80u), testing::Le(95u)));
  EXPECT_THAT(longest(300), testing::AllOf(testing::Gt(90u), testing::Le(100u)));
}

// One terminal for all of them, which says before each how wide it is.
TEST(HelpTest, NoLineIsWiderThanTheTerminal) {
  if (!fs::exists("/usr/bin/script")) GTEST_SKIP() << "script is not installed";
  const std::string all =
      "told() { stty cols $1 && echo \"columns $1\" && \"$0\" help $2; }; "
      "for columns in $(seq 60 100); do told $columns train; done; "
      "for command in '' driver server worker devices completion manual help version; do "
      "for columns in 60 67 80 93; do told $columns $command; done; done";
  const Outcome shown =
      run({"script", "-qec",
           "sh -c '" + std::regex_replace(all, std::regex("'"), "'\\''") + "' " + kCommand,
           "/dev/null"});
  ASSERT_EQ(shown.status, 0) << shown.output;
  std::istringstream lines(shown.output);
  size_t columns = 0, helps = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.starts_with("columns ")) {
      columns = std::stoul(line.substr(8));
      ++helps;
    }
    EXPECT_LE(line.size(), columns) << line;
  }
  EXPECT_EQ(helps, 41u + 9 * 4);
}

TEST(HelpTest, SaysWhatAnExitStatusMeans) {
  for (const std::string& command : kCommands) {
    if (command == "help" || command == "version") continue;
    EXPECT_THAT(told({command, "--help"}), HasSubstr("\nExit status: 0 ")) << command;
  }
  EXPECT_THAT(told({"train", "--help"}), HasSubstr("128 + n"));
  for (const char* role : {"server", "worker"}) {
    std::string help = told({role, "--help"});
    std::replace(help.begin(), help.end(), '\n', ' ');
    for (const char* meaning : {"3 the driver ended", "4 no driver", "5 refused"}) {
      EXPECT_THAT(help, HasSubstr(meaning)) << role;
    }
  }
}

TEST(HelpTest, HasNoWordsOfTheLibraryThatReadsFlags) {
  EXPECT_THAT(told({"server", "--help"}), HasSubstr("  --threads NUMBER          1 to 256"));
  for (const std::string& command : kCommands) {
    EXPECT_THAT(told({command, "--help"}), Not(HasSubstr("INT in"))) << command;
  }
}

size_t times(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(ManualTest, SaysEveryFlagOnceAndItsDefault) {
  const std::string page = told({"manual"});
  EXPECT_THAT(page, testing::StartsWith(".TH SLUICE 1"));
  EXPECT_THAT(page, HasSubstr("\\fB\\-\\-batch\\-size\\fR \\fINUMBER\\fR (16)"));
  EXPECT_THAT(page, HasSubstr("\\fB\\-\\-overlap\\fR, \\fB\\-\\-no\\-overlap\\fR (off)"));
  EXPECT_THAT(page, HasSubstr("\\fB\\-\\-shuffle\\fR, \\fB\\-\\-no\\-shuffle\\fR (on)"));
  EXPECT_THAT(page, HasSubstr("Takes the flags of \\fBsluice train\\fR"));
  for (const char* once : {"\n\\fB\\-\\-epochs\\fR", "\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR",
                           "\n\\fB\\-V\\fR, \\fB\\-\\-version\\fR", "\n.SH SIGNALS\n"}) {
    EXPECT_EQ(times(page, once), 1u) << once;
  }
  for (const std::string& command : kCommands) {
    EXPECT_THAT(page, HasSubstr(".SS sluice " + command + "\n"));
  }
}

// Names of variables, as they stand in the sources: all capitals, and read by getenv() or by a
// function around it.
std::set<std::string> variables_read() {
  static const std::regex kRead(
      R"re((?:getenv|environment|variable)\("([A-Z_]+)"|\{"([A-Z_]+)", "([A-Z_]+)"\}\) \{)re");
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(SLUICE_SOURCE_DIR "/src")) {
    if (entry.path().extension() != ".cc") continue;
    std::ifstream file(entry.path());
    const std::string text(std::istreambuf_iterator<char>(file), {});
    for (std::sregex_iterator at(text.begin(), text.end(), kRead), end; at != end; ++at) {
      for (size_t group = 1; group < at->size(); ++group) {
        if ((*at)[group].matched) names.insert((*at)[group]);
      }
    }
  }
  return names;
}

TEST(ManualTest, SaysEveryVariableThatIsRead) {
  std::string page = told({"manual"});
  page.erase(std::remove(page.begin(), page.end(), '\\'), page.end());
  const std::set<std::string> names = variables_read();
  EXPECT_THAT(names, testing::IsSupersetOf({"SLUICE_DATA_DIR", "SLUICE_OFFLINE", "XDG_CACHE_HOME",
                                            "TMPDIR", "SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS",
                                            "XDG_RUNTIME_DIR", "POD_NAME"}));
  for (const std::string& name : names) EXPECT_THAT(page, HasSubstr(name));
}

class CompletionTest : public testing::Test {
 protected:
  CompletionTest() {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    fs::create_directory(folder_ + "/images");
    for (const char* name : {"model.json", "flowers.csv", "two words.csv"}) {
      std::ofstream(folder_ + "/" + name) << "\n";
    }
  }
  ~CompletionTest() override { fs::remove_all(folder_); }

  // Where nothing is said of the last of `words`, it is empty. In bash, separated by commas.
  std::string completed(const std::string& words) const {
    // -u: as in the shell of somebody who wants to hear of variables that are not set.
    const std::string script = "set -u; cd " + folder_ + " && source <(" + kCommand +
                               " completion bash); COMP_WORDS=(" + words +
                               "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _sluice; "
                               "printf '%s\\n' \"${COMPREPLY[@]-}\" | sort | paste -sd,";
    const std::string output = run({"bash", "-c", script}).output;
    return output.substr(0, output.find('\n'));
  }

  std::string folder_ = testing::TempDir() + "/completion-XXXXXX";
};

TEST_F(CompletionTest, KnowsCommandsFlagsAndWords) {
  EXPECT_EQ(completed("sluice tr"), "train");
  EXPECT_EQ(completed("sluice train --epo"), "--epochs");
  EXPECT_EQ(completed("sluice train --trainer dow"), "downpour");
  EXPECT_EQ(completed("sluice train --trainer = dow"), "downpour");
  EXPECT_EQ(completed("sluice completion z"), "zsh");
  EXPECT_EQ(completed("sluice help dev"), "devices");
  EXPECT_EQ(completed("sluice ctl re"), "resume");
  EXPECT_EQ(completed("sluice worker --epo"), "") << "which is no flag of a worker";
}

TEST_F(CompletionTest, OffersFilesWhereAFileMayStand) {
  EXPECT_EQ(completed("sluice train --dataset ''"), "digits,fashion_mnist,images,mnist");
  EXPECT_EQ(completed("sluice train --dataset csv : fl"), "flowers.csv");
  EXPECT_EQ(completed("sluice train --dataset csv:fl"), "csv:flowers.csv");  // as zsh splits words
  EXPECT_EQ(completed("sluice train --dataset csv : two"), "two words.csv");
  EXPECT_EQ(completed("sluice train --model m"), "mnist_cnn,mnist_mlp,model.json");
  EXPECT_EQ(completed("sluice train --data-dir ''"), "images");
  for (const char* flag : {"--config", "--save", "--report", "--history", "--port-file"}) {
    EXPECT_EQ(completed(std::string("sluice driver ") + flag + " mo"), "model.json") << flag;
  }
  EXPECT_EQ(completed("sluice server --port-file mo"), "model.json");
}

TEST_F(CompletionTest, OffersTheCommandsOwnFlags) {
  EXPECT_EQ(completed("sluice --"), "--help,--version");
  EXPECT_EQ(completed("sluice -V"), "-V");
  EXPECT_THAT(completed("sluice ''"), Not(HasSubstr("--help")));
}

// Quotes keep bash from cutting the word.
TEST_F(CompletionTest, OffersBothFilesOfACsvDatasetInQuotesToo) {
  EXPECT_EQ(completed("sluice train --dataset csv : flowers.csv,tw"), "flowers.csv,two words.csv");
  EXPECT_EQ(completed("sluice train --dataset csv : flowers.csv,im"), "flowers.csv,images/");
  EXPECT_EQ(completed(R"(sluice train --dataset '"csv:fl')"), "csv:flowers.csv");
  EXPECT_EQ(completed(R"(sluice train --dataset "'csv:a,fl")"), "csv:a,flowers.csv");
  EXPECT_EQ(completed(R"(sluice train --dataset csv : 'two\ w')"), "two words.csv");
  EXPECT_EQ(completed(R"(sluice train --save '"mo')"), "model.json");
}

// A zsh with a terminal of its own, which loads the completion when it is first needed.
TEST_F(CompletionTest, ZshLoadsItFromItsFolderOfFunctions) {
  if (!fs::exists("/usr/bin/zsh")) GTEST_SKIP() << "zsh is not installed";
  const std::string script =
      "cd \"$1\" && mkdir functions && \"$0\" completion zsh > functions/_sluice\n"
      "zmodload zsh/zpty\n"
      "zpty shell 'TERM=dumb zsh -f -i'\n"
      "zpty -w shell 'fpath=($PWD/functions $fpath); autoload -Uz compinit; compinit -u -d dump; "
      "sluice() { print -r \"asked: ${(j:|:)@}\" }; print re\"\"ady'\n"
      "zpty -r shell said '*ready*'\n"
      "complete() { zpty -w -n shell $1$'\\t\\n'; zpty -r shell said '*asked: *'$'\\n''*'; "
      "print -r - ${${said##*asked: }%%$'\\r'*}; }\n"
      "complete 'sluice train --epo'\n"
      "complete 'sluice train --dataset csv:flowers.csv,two'\n"
      "complete 'sluice train --model=model.j'\n"
      "zpty -d shell\n";
  const Outcome zsh = run({"zsh", "-f", "-c", script, kCommand, folder_});
  EXPECT_EQ(zsh.output,
            "train|--epochs\n"
            "train|--dataset|csv:flowers.csv,two words.csv\n"
            "train|--model=model.json\n");
}

TEST_F(CompletionTest, OffersNoPlaceholderAsAWord) {
  EXPECT_EQ(completed("sluice train --device cu"), "cuda");
  EXPECT_EQ(completed("sluice train --device cuda :"), "");
  EXPECT_EQ(completed("sluice train --epochs ''"), "");
}

TEST_F(CompletionTest, OtherShellsOfferTheSame) {
  EXPECT_THAT(told({"completion", "zsh"}), testing::StartsWith("#compdef sluice\n"));
  const std::string fish = told({"completion", "fish"});
  EXPECT_THAT(fish, HasSubstr("from train' -l model -r -F -a 'mnist_cnn mnist_mlp' -d "));
  EXPECT_THAT(fish, HasSubstr("from train' -l device -x -a 'auto cpu cuda' -d "));
  EXPECT_THAT(fish, HasSubstr("from help' -a 'train driver "));
  EXPECT_THAT(fish, HasSubstr("-n __fish_use_subcommand -l version -d "));
  const Outcome other = run({kCommand, "completion", "tcsh"});
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.output, HasSubstr("expected bash, zsh or fish, got \"tcsh\""));
}

}  // namespace
}  // namespace sluice
