#include "transport/grpc/socket_address.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::transport {
namespace {

TEST(SocketAddressTest, ReadsHostsAndPorts) {
  const auto v4 = parse_address("127.0.0.1:7000");
  ASSERT_TRUE(v4.ok());
  EXPECT_EQ(v4->host, "127.0.0.1");
  EXPECT_EQ(v4->port, 7000);
  EXPECT_FALSE(v4->is_unix());
  EXPECT_EQ(parse_address("server-0.cluster:65535")->host, "server-0.cluster");
}

TEST(SocketAddressTest, ReadsBracketedIpv6) {
  const auto address = parse_address("[::1]:0");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->host, "::1");
  EXPECT_EQ(address->port, 0);
  EXPECT_EQ(address->to_string(), "[::1]:0");
}

TEST(SocketAddressTest, ReadsUnixPaths) {
  const auto address = parse_address("unix:/run/sluice/server");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->path, "/run/sluice/server");
  EXPECT_EQ(address->to_string(), "unix:/run/sluice/server");
}

TEST(SocketAddressTest, OtherTextIsRefused) {
  for (const char* text :
       {"", ":", "7000", "host", "host:", "host:x", "host:1x", "host:-1", "host:65536", ":7000",
        "::1:7000", "[::1]", "[]:1", "[::1:7000", "host:99999999999999999999",
        "unix:", "unix:relative", "http://host:80/"}) {
    EXPECT_EQ(parse_address(text).status().code(), StatusCode::kInvalidArgument) << text;
  }
}

TEST(SocketAddressTest, UnixPathsLongerThanTheSystemTakesAreRefused) {
  EXPECT_TRUE(parse_address("unix:/" + std::string(106, 'x')).ok());
  const Status status = parse_address("unix:/" + std::string(107, 'x')).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("at most 107 characters, this one has 108"), std::string::npos);
}

class SocketFileTest : public ::testing::Test {
 protected:
  const std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / ("sluice-file-" + std::to_string(::getpid()));
  void TearDown() override { std::filesystem::remove(path_); }
};

TEST_F(SocketFileTest, RemovesItsFile) {
  std::ofstream(path_) << "x";
  { const SocketFile file({"", 0, path_.string()}); }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SocketFileTest, LeavesAFileThatTookItsPlace) {
  std::ofstream(path_) << "x";
  {
    const SocketFile file({"", 0, path_.string()});
    const std::filesystem::path other = path_.string() + "-new";
    std::ofstream(other) << "y";
    std::filesystem::rename(other, path_);
  }
  EXPECT_TRUE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace sluice::transport
