#include "data/file_kind.h"

#include <gmock/gmock.h>

namespace sluice::data {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

TEST(FileKindTest, IsNamedByTheFirstBytes) {
  const std::pair<std::string, const char*> cases[] = {
      {"GIF89a\1\0\1\0"s, "a GIF picture"},
      {"BM\x36\0\0\0"s, "a BMP picture"},
      {"RIFF\x24\0\0\0WEBPVP8 "s, "a WebP picture"},
      {"II*\0\x08\0"s, "a TIFF picture"},
      {"\0\0\0\x1c"
       "ftypheic"s,
       "a HEIC picture"},
      {"%PDF-1.4\n"s, "a PDF"},
      {"PK\3\4\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x09\0\0\0arr_0.npy"s,
       "a .npz archive"},
      {"PK\3\4\x14\0"s, "a zip archive"},
      {"\x89HDF\r\n\x1a\n\0"s, "HDF5"},
      {"\xff\xfe"
       "a\0,\0"s,
       "UTF-16"},
      {"\x80\4\x95\0"s, "a pickle"},
      {"\x1f\x8b\x08\0"s, "gzip"},
      {"ab\0cd"s, "bytes of no kind that is known here"},
  };
  for (const auto& [begin, kind] : cases) EXPECT_THAT(file_kind(begin), HasSubstr(kind));
}

TEST(FileKindTest, TablesAreText) {
  for (const char* begin :
       {"BMI,age\n20,3\n", "II,III\n1,2\n", "\xEF\xBB\xBFgr\xC3\xB6\xC3\x9F\x65,b", "1\t2\r\n",
        "{\"a\": 1}", "PAR1,PAR2\n", "gr\xF6\xDF\x65"}) {
    EXPECT_EQ(file_kind(begin), "text") << begin;
  }
}

}  // namespace
}  // namespace sluice::data
