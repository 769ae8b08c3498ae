// Where a gRPC listener can listen, and what it says when it cannot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "tests/transport/transport_fixture.h"

// c-ares, with which gRPC looks up names, loses ten bytes per name.
extern "C" const char* __lsan_default_suppressions() { return "leak:libcares"; }

namespace sluice::transport {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class GrpcListenTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<wire::Listener>> listen(const std::string& address) {
    return transport_.listen(address, &server_, {});
  }

  bool answers(const std::string& address) {
    const auto channel = transport_.connect_parameters(address);
    return ledger(*channel, 1).status().code() == StatusCode::kFailedPrecondition;
  }

  GrpcTransport transport_;
  server::ParameterServer server_{core::real_world()};
};

TEST_F(GrpcListenTest, PortZeroTellsTheRealPort) {
  const auto listener = listen("127.0.0.1:0");
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_THAT((*listener)->address(), StartsWith("127.0.0.1:"));
  EXPECT_NE((*listener)->address(), "127.0.0.1:0");
  EXPECT_TRUE(answers((*listener)->address()));
}

TEST_F(GrpcListenTest, Ipv6AndNamesWork) {
  for (const char* address : {"[::1]:0", "localhost:0", "0.0.0.0:0"}) {
    const auto listener = listen(address);
    ASSERT_TRUE(listener.ok()) << listener.status();
    EXPECT_TRUE(answers((*listener)->address())) << (*listener)->address();
  }
}

TEST_F(GrpcListenTest, PortInUseSaysWhatToDo) {
  for (const char* any : {"127.0.0.1:0", "0.0.0.0:0"}) {
    const auto first = listen(any);
    ASSERT_TRUE(first.ok());
    const std::string& address = (*first)->address();
    EXPECT_EQ(listen(address).status(),
              unavailable("cannot listen on " + address +
                          ": the port is in use; choose another with --listen, or port 0 for any"));
  }
}

TEST_F(GrpcListenTest, OtherHostsAddressIsRefused) {
  const Status status = listen("192.0.2.1:7000").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("it is not an address of this host"));
}

TEST_F(GrpcListenTest, TextThatIsNoAddressIsRefused) {
  EXPECT_EQ(listen("nonsense").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(listen("unix:/" + std::string(107, 'x')).status().code(), StatusCode::kInvalidArgument);
  const auto channel = transport_.connect_parameters("nonsense");
  EXPECT_EQ(ledger(*channel, 1).status().code(), StatusCode::kInvalidArgument);
  std::vector<float> into(1);
  EXPECT_EQ(pull(*channel, 1, {0, 1}, into).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(acquire(*transport_.connect_control("nonsense"), 1).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(GrpcListenTest, SocketFileIsRemovedAtTheEnd) {
  const std::string address = any_address(TransportKind::kGrpcUnix);
  const std::string path = address.substr(5);
  auto listener = listen(address);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(std::filesystem::exists(path));
  (*listener).reset();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(GrpcListenTest, SocketFileOfADeadServerIsTakenOver) {
  const std::string address = any_address(TransportKind::kGrpcUnix);
  const std::string path = address.substr(5);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  ::close(fd);
  ASSERT_TRUE(std::filesystem::exists(path));
  const auto listener = listen(address);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(answers(address));
}

TEST_F(GrpcListenTest, SocketInUseIsNotTakenAway) {
  const std::string address = any_address(TransportKind::kGrpcUnix);
  const auto first = listen(address);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(listen(address).status(), unavailable("cannot listen on " + address +
                                                  ": the socket is in use; choose another path"));
  EXPECT_TRUE(answers(address));
}

TEST_F(GrpcListenTest, ListenersComeAndGo) {
  for (int i = 0; i < 20; ++i) {
    auto listener = listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok());
    // Some end before anybody has come.
    if (i % 2 == 0) {
      EXPECT_TRUE(answers((*listener)->address()));
    }
  }
}

TEST_F(GrpcListenTest, WebProxyOfTheUserIsNotAsked) {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  ::setenv("https_proxy", "http://127.0.0.1:1", 1);
  const auto listener = listen("127.0.0.1:0");
  ASSERT_TRUE(listener.ok());
  EXPECT_TRUE(answers((*listener)->address()));
  ::unsetenv("http_proxy");
  ::unsetenv("https_proxy");
}

// A thread may still hand a call to the service when another hears that there are no more.
TEST_F(GrpcListenTest, AListenerOfSeveralThreadsGoesWhileCallsCome) {
  for (int round = 0; round < 20; ++round) {
    auto listener = transport_.listen("127.0.0.1:0", &server_, {.threads = 4});
    ASSERT_TRUE(listener.ok()) << listener.status();
    const std::string address = (*listener)->address();
    std::atomic<int> answered{0};
    std::atomic<bool> over{false};
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back([&] {
        const auto channel = GrpcTransport().connect_parameters(address);
        while (!over) answered += ping(*channel, 1, {std::chrono::milliseconds(50)}).ok() ? 0 : 1;
      });
    }
    while (answered < 50) std::this_thread::yield();
    listener->reset();
    over = true;
    for (std::thread& client : clients) client.join();
  }
}

}  // namespace
}  // namespace sluice::transport
