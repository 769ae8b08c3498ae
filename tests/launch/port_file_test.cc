#include "launch/port_file.h"

#include <gtest/gtest.h>

#include "core/file_io.h"
#include "tests/support/fake_root.h"

namespace sluice::launch {
namespace {

class PortFileTest : public testing::Test {
 protected:
  std::string written(const std::string& address) const {
    EXPECT_TRUE(write_port_file(path_, address).ok());
    return *core::read_text(path_);
  }
  const testing_support::FakeRoot folder_;
  const std::string path_ = folder_.path() + "/port";
};

TEST_F(PortFileTest, HoldsThePortAndNothingElse) {
  EXPECT_EQ(written("0.0.0.0:7070"), "7070\n");
  EXPECT_EQ(written("[::1]:41234"), "41234\n");
}

TEST_F(PortFileTest, NoneIsWrittenWhereNoneIsAskedFor) {
  EXPECT_TRUE(write_port_file("", "unix:/tmp/socket").ok());
}

TEST_F(PortFileTest, ASocketFileHasNoPort) {
  EXPECT_EQ(write_port_file(path_, "unix:/tmp/socket:7").code(), StatusCode::kInvalidArgument);
}

TEST_F(PortFileTest, AFolderThatIsNotThereIsNamed) {
  const Status status = write_port_file(folder_.path() + "/none/port", "0.0.0.0:7070");
  EXPECT_NE(status.message().find(folder_.path() + "/none"), std::string::npos) << status;
}

}  // namespace
}  // namespace sluice::launch
