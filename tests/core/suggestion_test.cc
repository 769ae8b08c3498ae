#include "core/suggestion.h"

#include <gtest/gtest.h>

namespace sluice::core {
namespace {

TEST(SuggestionTest, NearestNameIsFound) {
  const std::vector<std::string> names = {"train", "driver", "server", "worker"};
  EXPECT_EQ(nearest("trian", names), "train");
  EXPECT_EQ(nearest("sever", names), "server");
}

TEST(SuggestionTest, NothingIsSuggestedForWhatResemblesNothing) {
  EXPECT_EQ(nearest("frobnicate", {"train", "driver", "epochs"}), "");
  EXPECT_EQ(nearest("x", {"save", "seed"}), "");
}

TEST(SuggestionTest, LettersThatChangedPlacesAreOneMistake) {
  EXPECT_EQ(nearest("adga", {"dynsgd", "adag", "single"}), "adag");
  EXPECT_EQ(nearest("rnu", {"run"}), "run");
  EXPECT_EQ(nearest("unr", {"run"}), "") << "two of them";
}

// Nearly every name of a letter or two is two letters away from "-h".
TEST(SuggestionTest, ShortNamesResembleOnlyThemselves) {
  const std::vector<std::string> flags = {"-h", "--help", "--epochs", "--shards", "--shuffle"};
  EXPECT_EQ(nearest("--sh", flags), "") << "two begin so";
  EXPECT_EQ(nearest("-x", flags), "");
  EXPECT_EQ(nearest("--h", flags), "-h");
  EXPECT_EQ(nearest("---", flags), "");
  EXPECT_EQ(nearest("run", {"train", "driver"}), "");
}

TEST(SuggestionTest, TheOnlyNameThatBeginsSoIsMeant) {
  const std::vector<std::string> flags = {"-h", "--help", "--epochs", "--validation-split"};
  EXPECT_EQ(nearest("-e", flags), "--epochs");
  EXPECT_EQ(nearest("--validation", flags), "--validation-split");
}

}  // namespace
}  // namespace sluice::core
