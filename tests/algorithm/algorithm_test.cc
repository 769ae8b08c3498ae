#include "algorithm/algorithm.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>

namespace sluice::algorithm {
namespace {

using ::testing::IsSupersetOf;

using testing::ElementsAre;
using testing::HasSubstr;

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(AlgorithmTest, EveryOneSaysWhatItIsAndMakesBothHalves) {
  EXPECT_THAT(algorithm_names(), IsSupersetOf({"adag", "downpour", "dynsgd", "async_diloco"}));
  for (const Algorithm* algorithm : algorithms()) {
    const Choice choice(algorithm->name);
    EXPECT_STRNE(algorithm->summary, "");
    const int64_t window = choice.options.has("window") ? choice.options.whole("window") : 7;
    EXPECT_EQ(choice.worker_rule()->window(/*epoch_steps=*/7), window);
    EXPECT_NE(algorithm->server(choice.options, OptimizerSpec("adam"), {16}), nullptr);
    for (const OptionSpec& option : algorithm->options) {
      EXPECT_STRNE(option.help, "");
      EXPECT_EQ(option.check(option.fallback), nullptr) << "its own default is wrong";
    }
  }
}

TEST(AlgorithmTest, NamesMayHaveDashesAndCapitals) {
  EXPECT_EQ(&find_algorithm("DC-ASGD"), &find_algorithm("dc_asgd"));
}

TEST(AlgorithmTest, AChoiceCrossesTheWire) {
  Choice choice("downpour");
  choice.set("window", int64_t{7}).set("overlap", true);
  EXPECT_EQ(choice.to_json(),
            R"({"name":"downpour","window":7,"overlap":true,"bound_gain":true,"scale_rate":true})");
  EXPECT_EQ(Choice::from_json(choice.to_json()), choice);
  EXPECT_NE(Choice::from_json(R"({"name":"downpour"})"), choice);
  EXPECT_EQ(Choice::from_json(R"({"name":"downpour"})"), Choice("downpour"));
  EXPECT_THAT(choice.to_update_rule("adam"), HasSubstr(R"("optimizer":{"class_name":"Adam")"));
}

// What the bound takes from the pushes comes back as larger steps, up to the root of the workers.
TEST(AlgorithmTest, TheRateGrowsWithTheGainAndAtMostAsTheRootOfTheWorkers) {
  Choice adag("adag");  // gain M / 5
  EXPECT_EQ(adag.rate_scale(3), 1);
  EXPECT_EQ(adag.rate_scale(10), 2);
  EXPECT_DOUBLE_EQ(adag.rate_scale(100), 10);
  EXPECT_DOUBLE_EQ(Choice("downpour").rate_scale(4), 2);
  EXPECT_EQ(Choice("downpour").rate_scale(1), 1);
  EXPECT_EQ(Choice("async_sgd").rate_scale(30), 1);  // whose workers make no steps
  EXPECT_EQ(Choice("dynsgd").rate_scale(30), 1);
  EXPECT_EQ(Choice(adag).set("scale_rate", false).rate_scale(100), 1);
  EXPECT_EQ(Choice(adag).set("bound_gain", false).rate_scale(100), 1);
}

TEST(AlgorithmTest, OptionsSayWhatIsWrong) {
  Choice choice("adag");
  EXPECT_EQ(message_of([&] { choice.set("window", int64_t{0}); }),
            "window: expected at least 1 mini-batch");
  EXPECT_EQ(message_of([&] { choice.set("window", true); }), "window: expected a whole number");
  EXPECT_EQ(message_of([&] { choice.set("overlap", int64_t{1}); }),
            "overlap: expected true or false");
  EXPECT_EQ(message_of([&] { choice.set("alpha", 0.5); }),
            "alpha: the algorithm has no such option");
  EXPECT_EQ(choice, Choice("adag")) << "nothing has changed";
}

TEST(AlgorithmTest, OptionsOfAllAlgorithmsAreListedOnce) {
  std::set<std::string> names;
  size_t listed = 0;
  for (const SharedOption& option : all_options()) {
    EXPECT_TRUE(names.insert(option.spec.name).second) << option.spec.name;
    listed += option.algorithms.size();
  }
  size_t declared = 0;
  for (const Algorithm* algorithm : algorithms()) {
    for (const OptionSpec& spec : algorithm->options) EXPECT_TRUE(names.contains(spec.name));
    declared += algorithm->options.size();
  }
  EXPECT_EQ(listed, declared);
}

constexpr OptionSpec kOwn[] = {{"alpha", 0.5, "how far to pull"}, {"rounds", int64_t{3}, "of it"}};

TEST(OptionsTest, ANumberMayBeWholeWhereARealOneIsMeant) {
  Options options(kOwn);
  EXPECT_EQ(options.real("alpha"), 0.5);
  from_json(nlohmann::ordered_json::parse(R"({"alpha": 2, "rounds": 4})"), options);
  EXPECT_EQ(options.real("alpha"), 2.0);
  EXPECT_EQ(options.whole("rounds"), 4);
  EXPECT_EQ(to_json(options).dump(), R"({"alpha":2.0,"rounds":4})");
  EXPECT_EQ(message_of([&] { options.set("rounds", 4.5); }), "rounds: expected a whole number");
}

}  // namespace
}  // namespace sluice::algorithm
