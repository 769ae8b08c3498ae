#include "algorithm/algorithm.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>

#include "algorithm/options_json.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"

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
  EXPECT_DOUBLE_EQ(Choice("async_sgd").rate_scale(4), 2);
  EXPECT_EQ(Choice("dynsgd").rate_scale(30), 1);
  EXPECT_EQ(Choice(adag).set("scale_rate", false).rate_scale(100), 1);
  EXPECT_EQ(Choice(adag).set("bound_gain", false).rate_scale(100), 1);
  EXPECT_EQ(Gain::falling(1, 0.5), 1);
  EXPECT_EQ(Gain::falling(2, 0), 2);
  EXPECT_EQ(Gain::falling(2, 1), 0.5);
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

// What a program might register: a worker's half of ADAG, a server that adds.
Algorithm of_a_program(const char* name, std::span<const OptionSpec> options) {
  return {.name = name,
          .summary = "adds",
          .options = options,
          .worker = make_mean_change_worker,
          .server = [](const Options&, const OptimizerSpec&, const Shard&) {
            return make_add_rule({});
          }};
}

TEST(RegisterAlgorithmTest, OfAProgramIsFoundAndCrossesTheWire) {
  static constexpr OptionSpec kOptions[] = {window_option(4), {"damping", 0.5, "of what is old"}};
  register_algorithm(of_a_program("of_a_program", kOptions));
  Choice choice("of-a-program");
  choice.set("damping", 0.25);
  EXPECT_EQ(choice.worker_rule()->window(100), 4);
  EXPECT_EQ(Choice::from_json(choice.to_json()), choice);
  EXPECT_EQ(make_shard_rule(choice.to_update_rule("sgd"), 8).algorithm, choice.algorithm);
  EXPECT_EQ(algorithms().back(), choice.algorithm);
}

TEST(RegisterAlgorithmTest, WhatMakesNoSenseIsRefused) {
  const auto refused = [](const Algorithm& algorithm) {
    const size_t before = algorithms().size();
    const std::string message = message_of([&] { register_algorithm(algorithm); });
    EXPECT_EQ(algorithms().size(), before);
    return message;
  };
  EXPECT_EQ(refused(of_a_program("adag", {})),
            "register_algorithm(\"adag\"): there is an algorithm of this name; choose another");
  EXPECT_THAT(refused(of_a_program("My Rule", {})), HasSubstr("expected a name of a to z"));
  EXPECT_THAT(refused(of_a_program(nullptr, {})), HasSubstr("expected a name of a to z"));
  Algorithm half = of_a_program("half", {});
  half.server = nullptr;
  EXPECT_THAT(refused(half), HasSubstr("has no server's half"));
  Algorithm both = of_a_program("both", {});
  both.own_parameters = both.rounds = true;
  EXPECT_THAT(refused(both), HasSubstr("own_parameters goes with neither"));
  Algorithm in_place = of_a_program("in_place", {});
  in_place.steps_in_place = in_place.keeps_bases = true;
  EXPECT_THAT(refused(in_place), HasSubstr("steps_in_place goes with none of"));
  static constexpr OptionSpec kBackups[] = {{"backup_workers", 0.5, "as a share"}};
  EXPECT_THAT(refused(of_a_program("backups", kBackups)),
              HasSubstr("\"backup_workers\": jobs read it, and expect a whole number"));
  static constexpr OptionSpec kTwice[] = {window_option(), window_option()};
  EXPECT_THAT(refused(of_a_program("twice", kTwice)), HasSubstr("\"window\": the name is taken"));
  static constexpr OptionSpec kTaken[] = {{"optimizer", Word("sgd"), "the job's already"}};
  EXPECT_THAT(refused(of_a_program("taken", kTaken)), HasSubstr("the name is taken"));
  static constexpr OptionSpec kWrong[] = {window_option(0)};
  EXPECT_THAT(refused(of_a_program("wrong", kWrong)), HasSubstr("its own default will not do"));
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
  EXPECT_EQ(message_of([&] { (void)options.real("rounds"); }),
            "rounds: the option is a whole number, not a number");
}

}  // namespace
}  // namespace sluice::algorithm
