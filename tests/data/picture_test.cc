#include "data/picture.h"

#include <gmock/gmock.h>

#include "data/npy.h"
#include "tests/data/test_files.h"

namespace sluice::data {
namespace {

using testing::HasSubstr;

std::string golden(const std::string& name) {
  return read_whole(std::string(SLUICE_SOURCE_DIR) + "/tests/data/golden/" + name);
}

// tests/keras/make_pictures.py has written what TensorFlow reads.
TEST(PictureTest, IsDecodedAndResizedAsByTensorflow) {
  const std::vector<std::pair<std::string, int>> cases = {
      {"color.jpg", 1},
      {"color.jpg", 3},
      {"grey.jpg", 1},
      {"grey.jpg", 3},
      {"color.png", 3},
      {"grey.png", 1},
      {"transparent.png", 3},
      {"grey.png", 3},
      // 16 bits, gamma, fewer bits than 8, palettes, interlaced or not.
      {"deep.png", 3},
      {"deep_grey.png", 1},
      {"deep_grey.png", 3},
      {"deep_transparent.png", 3},
      {"deep_grey_transparent.png", 3},
      {"gamma.png", 3},
      {"gamma_grey.png", 1},
      {"bits.png", 1},
      {"bits.png", 3},
      {"key.png", 3},
      {"palette.png", 3}};
  for (const auto& [name, channels] : cases) {
    SCOPED_TRACE(name + " to " + std::to_string(channels));
    const auto expected = parse_npy(name, golden(name + "." + std::to_string(channels) + ".npy"));
    ASSERT_TRUE(expected.ok()) << expected.status();
    const auto picture = decode_picture(name, golden(name), channels);
    ASSERT_TRUE(picture.ok()) << picture.status();
    const std::vector<float> ours = resized(*picture, 5, 7);
    ASSERT_EQ(ours.size(), expected->values.size());
    for (size_t i = 0; i < ours.size(); ++i) {
      EXPECT_NEAR(ours[i], expected->values[i], 1e-3) << i;
    }
  }
}

TEST(PictureTest, OneOfColourHasPillowsLuminance) {
  const auto color = decode_picture("c.png", golden("color.png"), 3);
  const auto grey = decode_picture("c.png", golden("color.png"), 1);
  ASSERT_TRUE(color.ok() && grey.ok());
  for (size_t i = 0; i < grey->pixels.size(); ++i) {
    const uint8_t* rgb = &color->pixels[3 * i];
    EXPECT_NEAR(grey->pixels[i], 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2], 0.51);
  }
}

TEST(PictureTest, DamagedOnesAreRefusedInALine) {
  for (const std::string name : {"color.jpg", "grey.png", "deep.png", "gamma.png", "palette.png"}) {
    const std::string whole = golden(name);
    EXPECT_TRUE(is_picture(whole));
    for (size_t length = 0; length + 20 < whole.size(); length += 7) {
      const auto cut = decode_picture("p", whole.substr(0, length), 3);
      ASSERT_FALSE(cut.ok()) << name << " of " << length << " bytes";
      EXPECT_EQ(cut.status().message().substr(0, 3), "p: ");
      EXPECT_EQ(cut.status().message().find('\n'), std::string::npos);
    }
  }
  std::string huge = golden("grey.png");
  huge.replace(16, 8, std::string("\0\0\x40\0\0\0\x40\0", 8));  // 16,384 x 16,384
  const auto refused = decode_picture("p", huge, 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.status().message(), HasSubstr("p: a damaged picture: "));
  EXPECT_EQ(decode_picture("p", "GIF89a", 3).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::data
