#include "train/suggestion.h"

#include <gtest/gtest.h>

namespace sluice::train {
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

}  // namespace
}  // namespace sluice::train
