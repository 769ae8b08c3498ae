#include "optim/definition.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <stdexcept>

#include "optim/optimizer.h"

namespace sluice::optim {
namespace {

class DefinitionTest : public testing::TestWithParam<const char*> {
 protected:
  const Definition& definition() { return *find_definition(GetParam()); }
};

TEST_P(DefinitionTest, ItsDefaultsAreItsOwnAndValid) {
  const OptimizerSpec spec = definition().defaults();
  EXPECT_EQ(spec.name, definition().name);
  EXPECT_EQ(&definition_of(spec), &definition());
  EXPECT_NO_THROW(validate(spec));
}

TEST_P(DefinitionTest, EveryNumberIsChecked) {
  for (const Hyperparameter& parameter : definition().hyperparameters) {
    const auto* number = std::get_if<Number>(&parameter.value);
    if (number == nullptr) continue;
    for (float wrong :
         {-1.0f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      OptimizerSpec spec = definition().defaults();
      spec.*number->field = wrong;
      EXPECT_THROW(validate(spec), std::invalid_argument) << parameter.name << " = " << wrong;
    }
  }
}

TEST_P(DefinitionTest, HyperparametersAreNamedOnce) {
  std::set<std::string> names;
  for (const Hyperparameter& parameter : definition().hyperparameters) {
    EXPECT_TRUE(names.insert(parameter.name).second) << parameter.name;
  }
  EXPECT_EQ(definition().hyperparameters.front().name, std::string("learning_rate"));
}

TEST_P(DefinitionTest, NoSettingHasMoreSlotsThanThereIsRoomFor) {
  OptimizerSpec spec = definition().defaults();
  spec.momentum = 0.5f;
  spec.centered = true;
  spec.nesterov = true;
  EXPECT_LE(slots_of(spec).size(), kMostSlots);
}

INSTANTIATE_TEST_SUITE_P(Every, DefinitionTest,
                         testing::Values("sgd", "rmsprop", "adagrad", "adam"));

TEST(DefinitionsTest, NamesAreExact) {
  EXPECT_EQ(find_definition("Adam"), nullptr);
  EXPECT_EQ(find_definition(""), nullptr);
  OptimizerSpec spec;
  spec.name = "SGD";
  EXPECT_THROW((void)definition_of(spec), std::invalid_argument);
}

TEST(DefinitionsTest, KindsTellThemApart) {
  std::set<Kind> kinds;
  for (const char* name : {"sgd", "rmsprop", "adagrad", "adam"}) {
    kinds.insert(definition_of(OptimizerSpec(name)).kind);
  }
  EXPECT_EQ(kinds.size(), 4u);
}

}  // namespace
}  // namespace sluice::optim
