#include "transport/grpc/listening_socket.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace sluice::transport {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

int port_of(const ListeningSocket& socket) {
  return std::stoi(socket.address().substr(socket.address().rfind(':') + 1));
}

bool connects(int family, int port) {
  const Descriptor client(::socket(family, SOCK_STREAM, 0));
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  v4.sin_port = htons(static_cast<uint16_t>(port));
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  v6.sin6_port = v4.sin_port;
  return family == AF_INET
             ? ::connect(client.get(), reinterpret_cast<sockaddr*>(&v4), sizeof v4) == 0
             : ::connect(client.get(), reinterpret_cast<sockaddr*>(&v6), sizeof v6) == 0;
}

// Others are told this address: a name must not become a number that means nothing to them.
TEST(ListeningSocketTest, AddressKeepsItsHostAndGetsARealPort) {
  for (const std::string host : {"localhost:", "0.0.0.0:", "[::]:", "127.0.0.1:"}) {
    const auto socket = ListeningSocket::open(host + "0");
    ASSERT_TRUE(socket.ok()) << socket.status();
    EXPECT_THAT(socket->address(), StartsWith(host));
    EXPECT_GT(port_of(*socket), 0);
  }
}

TEST(ListeningSocketTest, ConnectionsWaitUntilTheyAreAccepted) {
  const auto socket = ListeningSocket::open("127.0.0.1:0");
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_TRUE(connects(AF_INET, port_of(*socket)));
}

TEST(ListeningSocketTest, AnyAddressIsOfBothKinds) {
  for (const char* any : {"0.0.0.0:0", "[::]:0"}) {
    const auto socket = ListeningSocket::open(any);
    ASSERT_TRUE(socket.ok()) << socket.status();
    EXPECT_TRUE(connects(AF_INET, port_of(*socket))) << any;
    EXPECT_TRUE(connects(AF_INET6, port_of(*socket))) << any;
  }
}

// Debian's localhost is 127.0.0.1 and ::1; a peer may try either.
TEST(ListeningSocketTest, ANameStandsForAllOfItsAddresses) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  ASSERT_EQ(::getaddrinfo("localhost", nullptr, &hints, &found), 0);
  std::set<int> families;
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    families.insert(info->ai_family);
  }
  ::freeaddrinfo(found);
  const auto socket = ListeningSocket::open("localhost:0");
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(socket->descriptors().size(), families.size());
  for (const int family : families) {
    EXPECT_TRUE(connects(family, port_of(*socket))) << family;
    EXPECT_THAT(socket->description(), HasSubstr(family == AF_INET ? "127.0.0.1" : "::1"));
  }
}

TEST(ListeningSocketTest, APortInUseAtOneAddressOfANameIsInUse) {
  const auto other = ListeningSocket::open("127.0.0.1:0");
  ASSERT_TRUE(other.ok()) << other.status();
  const Status status =
      ListeningSocket::open("localhost:" + std::to_string(port_of(*other))).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("in use"));
}

TEST(ListeningSocketTest, NumbersAreTheirOwnDescription) {
  for (const char* address : {"127.0.0.1:0", "0.0.0.0:0", "[::1]:0"}) {
    const auto socket = ListeningSocket::open(address);
    ASSERT_TRUE(socket.ok()) << socket.status();
    EXPECT_EQ(socket->description(), socket->address());
  }
}

TEST(ListeningSocketTest, UnknownHostIsAWrongAddress) {
  const Status status = ListeningSocket::open("no-such-host.invalid:7000").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("there is no host no-such-host.invalid"));
}

TEST(ListeningSocketTest, OtherHostsAddressIsAWrongOne) {
  // 192.0.2.0/24 is reserved for documentation (RFC 5737).
  const Status status = ListeningSocket::open("192.0.2.1:7000").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("not an address of this host"));
}

class UnixListeningSocketTest : public ::testing::Test {
 protected:
  const std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / ("sluice-listening-" + std::to_string(::getpid()));
  void TearDown() override { std::filesystem::remove(path_); }
};

TEST_F(UnixListeningSocketTest, OrdinaryFileIsAWrongAddress) {
  std::ofstream(path_) << "precious";
  const Status status = ListeningSocket::open("unix:" + path_.string()).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(UnixListeningSocketTest, MissingDirectoryIsNamed) {
  const Status status = ListeningSocket::open("unix:" + path_.string() + "-none/socket").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr(path_.string() + "-none/: No such file or directory"));
}

}  // namespace
}  // namespace sluice::transport
