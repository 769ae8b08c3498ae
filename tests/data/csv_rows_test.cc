#include "data/csv_rows.h"

#include <gmock/gmock.h>

namespace sluice::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Rows = std::vector<std::vector<std::string>>;

struct Read {
  Rows rows;
  std::vector<int64_t> lines;
  Status status;
};

// Fed in pieces of so many bytes.
Read read(const std::string& text, char separator = ',', size_t piece = SIZE_MAX) {
  Read read;
  CsvRows rows("x.csv", separator, [&](int64_t line, std::span<const std::string_view> cells) {
    read.rows.emplace_back(cells.begin(), cells.end());
    read.lines.push_back(line);
    return ok_status();
  });
  for (size_t at = 0; at < text.size() && read.status.ok(); at += std::min(piece, text.size())) {
    read.status = rows.feed(std::string_view(text).substr(at, piece));
  }
  if (read.status.ok()) read.status = rows.finish();
  return read;
}

TEST(CsvRowsTest, RowsEndInAnyOfThreeWaysAndTheLastNeedNot) {
  const Rows expected = {{"a", "b"}, {"1", "2"}, {"3", "4"}};
  for (const char* text : {"a,b\n1,2\n3,4\n", "a,b\n1,2\n3,4", "a,b\r\n1,2\r\n3,4\r\n",
                           "a,b\r1,2\r3,4\r", "a,b\r\n\r\n1,2\n\n \n3,4\r\n\r\n"}) {
    EXPECT_EQ(read(text).rows, expected) << text;
  }
}

TEST(CsvRowsTest, QuotesHoldWhateverThereIs) {
  EXPECT_EQ(read("a,\"b, c\",\"d \"\"e\"\" f\"\n\"1\r\n2\",3,\"\"\n").rows,
            (Rows{{"a", "b, c", "d \"e\" f"}, {"1\r\n2", "3", ""}}));
  EXPECT_EQ(read("\"\"\n").rows, (Rows{{""}}));                     // a quoted cell is no empty row
  EXPECT_EQ(read("5\" pipe,6\n").rows, (Rows{{"5\" pipe", "6"}}));  // a quote within a cell
}

TEST(CsvRowsTest, SpacesAroundCellsAreDroppedUnlessTheyAreQuoted) {
  EXPECT_EQ(read(" a b ,\t\" c \" ,d\t\n").rows, (Rows{{"a b", " c ", "d"}}));
  EXPECT_EQ(read("a\t b \t\n", '\t').rows, (Rows{{"a", "b", ""}}));
}

TEST(CsvRowsTest, LinesAreThoseOfAnEditor) {
  EXPECT_THAT(read("a\n\nb\r\nc\rd\n\"e\n\nf\"\ng\n").lines, ElementsAre(1, 3, 4, 5, 6, 9));
}

TEST(CsvRowsTest, ThePiecesOfAFileMayBeCutAnywhere) {
  const std::string text = "\xEF\xBB\xBF\"a\"\"\",b\r\n 1 ,\"2\r\n,\"\r\n\r\n3,4";
  const Rows expected = {{"a\"", "b"}, {"1", "2\r\n,"}, {"3", "4"}};
  for (size_t piece = 3; piece < text.size() + 1; ++piece) {
    EXPECT_EQ(read(text, ',', piece).rows, expected) << piece;
  }
}

TEST(CsvRowsTest, AQuoteThatIsNeverClosedIsNamedByItsLine) {
  const Read unclosed = read("a,b\n1,2\n3,\"4\n5,6\n");
  EXPECT_EQ(unclosed.status.message(), "x.csv: line 3: a quote is opened that is never closed");
}

TEST(CsvRowsTest, StopsWhereARowIsRefused) {
  int rows = 0;
  CsvRows refusing("x.csv", ',', [&](int64_t, std::span<const std::string_view>) {
    return ++rows < 2 ? ok_status() : invalid_argument("not this");
  });
  EXPECT_EQ(refusing.feed("a\nb\nc\n"), invalid_argument("not this"));
  EXPECT_EQ(rows, 2);
}

TEST(FindSeparatorTest, IsTheOneByWhichHeaderAndRowsAgree) {
  EXPECT_EQ(find_separator("a,b\n1,2\n"), ',');
  EXPECT_EQ(find_separator("a;b;c\n1;2;3\n"), ';');
  EXPECT_EQ(find_separator("a\tb\n1\t2\n"), '\t');
  EXPECT_EQ(find_separator("a|b\n1|2\n"), '|');
  EXPECT_EQ(find_separator("length, cm;width, cm;kind, name\n5.1;3.5;pear\n"), ';');
  EXPECT_EQ(find_separator("\"a;b;c\",d\n1,2\n"), ',');
  EXPECT_EQ(find_separator("a,b,c\n1,2\n"), ',');  // none agrees: what the header has most of
  EXPECT_EQ(find_separator(""), ',');
}

}  // namespace
}  // namespace sluice::data
