#include "show/text_table.h"

#include <gtest/gtest.h>

namespace sluice::show {
namespace {

TEST(TextTableTest, ColumnsAreAsWideAsTheirWidestCellAndNumbersStandToTheRight) {
  TextTable table({{"NAME"}, {"N", TextTable::Align::kRight}, {"WHERE"}});
  table.add({"a", "1,234", ""});
  table.add_below("what there is to say of it");
  table.add({"longer", "7", "b"});
  EXPECT_EQ(table.text(),
            "NAME        N  WHERE\n"
            "a       1,234\n"
            "  what there is to say of it\n"
            "longer      7  b\n");
}

TEST(TextTableTest, WithoutRowsThereAreTheTitles) {
  EXPECT_EQ(TextTable({{"A"}, {"B"}}).text(), "A  B\n");
}

}  // namespace
}  // namespace sluice::show
