#include "optim/definition.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <stdexcept>

#include "optim/optimizer.h"

namespace sluice::optim {
namespace {

class DefinitionTest : public testing::TestWithParam<const Definition*> {
 protected:
  const Definition& definition() { return *GetParam(); }
};

TEST_P(DefinitionTest, ItsDefaultsAreItsOwnAndValid) {
  const OptimizerSpec spec = definition().defaults();
  EXPECT_EQ(spec.name, definition().name);
  EXPECT_EQ(&definition_of(spec), &definition());
  EXPECT_EQ(OptimizerSpec(definition().class_name), spec);
  EXPECT_NO_THROW(validate(spec));
}

TEST_P(DefinitionTest, EveryHyperparameterIsThereAndChecked) {
  ASSERT_EQ(definition().defaults().hyperparameters.size(), definition().hyperparameters.size());
  for (const Hyperparameter& parameter : definition().hyperparameters) {
    for (float wrong :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      OptimizerSpec spec = definition().defaults();
      spec.hyperparameters.at(parameter.name) = wrong;
      EXPECT_THROW(validate(spec), std::invalid_argument) << parameter.name << " = " << wrong;
    }
    OptimizerSpec without = definition().defaults();
    without.hyperparameters.erase(parameter.name);
    EXPECT_THROW(validate(without), std::invalid_argument) << parameter.name;
  }
}

TEST_P(DefinitionTest, HyperparametersAreNamedOnce) {
  std::set<std::string> names;
  for (const Hyperparameter& parameter : definition().hyperparameters) {
    EXPECT_TRUE(names.insert(parameter.name).second) << parameter.name;
  }
}

TEST_P(DefinitionTest, TheRuleHasTheSlotsThatTheTableLists) {
  OptimizerSpec spec = definition().defaults();
  const auto check = [&] {
    const int slots =
        std::visit([](const auto& rule) { return rule.kSlots; }, definition().rule(spec));
    EXPECT_EQ(definition().slots(spec).size(), static_cast<size_t>(slots));
    EXPECT_LE(static_cast<size_t>(slots), kMostSlots);
  };
  check();
  for (const char* name : {"momentum", "centered", "nesterov", "amsgrad"}) {
    if (!spec.hyperparameters.contains(name)) continue;
    spec.hyperparameters[name] = 1;
    check();
  }
}

INSTANTIATE_TEST_SUITE_P(Every, DefinitionTest, testing::ValuesIn(definitions()),
                         [](const auto& the) { return the.param->class_name; });

TEST(DefinitionsTest, NamesAreExact) {
  EXPECT_EQ(find_definition("Adam"), nullptr);
  EXPECT_EQ(find_definition(""), nullptr);
  OptimizerSpec spec;
  spec.name = "SGD";
  EXPECT_THROW((void)definition_of(spec), std::invalid_argument);
}

TEST(DefinitionsTest, NamesTellThemApart) {
  std::set<std::string_view> names;
  for (const Definition* definition : definitions()) names.insert(definition->name);
  EXPECT_EQ(names.size(), definitions().size());
}

}  // namespace
}  // namespace sluice::optim
