#include "data/fetcher.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "tests/data/test_files.h"

namespace sluice::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// An HTTP server on the loopback that gives the same answer to everybody, one connection at a time.
class TinyServer {
 public:
  enum class After { kClose, kHang };

  TinyServer(std::string answer, After after) : answer_(std::move(answer)), after_(after) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        listen(listener_, 8) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no port on the loopback");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~TinyServer() {
    shutdown(listener_, SHUT_RDWR);  // ends accept()
    thread_.join();
    close(listener_);
  }

  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }

 private:
  void serve() {
    for (int fd; (fd = accept(listener_, nullptr, nullptr)) >= 0; close(fd)) {
      char request[4096];
      if (read(fd, request, sizeof(request)) <= 0) continue;
      if (write(fd, answer_.data(), answer_.size()) < 0) continue;
      // A read that ends when the client has given up.
      if (after_ == After::kHang) (void)!read(fd, request, sizeof(request));
    }
  }

  const std::string answer_;
  const After after_;
  int listener_ = -1;
  int port_ = 0;
  std::thread thread_;
};

std::string http(const std::string& status, const std::string& headers, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nConnection: close\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class CurlFetcherTest : public ::testing::Test {
 protected:
  // Proxies of the environment must not see the loopback.
  ScopedEnv no_proxy_{"no_proxy", "127.0.0.1"};
  std::unique_ptr<Fetcher> fetcher_ = make_curl_fetcher(
      {.connect_timeout = std::chrono::seconds(2), .stall_timeout = std::chrono::seconds(1)});
  std::string body_;
  Fetcher::Sink keep_ = [this](std::span<const std::byte> piece) {
    body_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return ok_status();
  };
};

TEST_F(CurlFetcherTest, HandsOverTheBody) {
  const std::string expected(300000, 'b');
  TinyServer server(http("200 OK", "", expected), TinyServer::After::kClose);
  const Status status = fetcher_->fetch(server.url("/file"), keep_);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(body_ == expected);
}

TEST_F(CurlFetcherTest, FollowsRedirections) {
  TinyServer target(http("200 OK", "", "here"), TinyServer::After::kClose);
  TinyServer server(http("302 Found", "Location: " + target.url("/b") + "\r\n", ""),
                    TinyServer::After::kClose);
  ASSERT_TRUE(fetcher_->fetch(server.url("/a"), keep_).ok());
  EXPECT_EQ(body_, "here");
}

TEST_F(CurlFetcherTest, AnErrorAnswerIsNotFoundAndIsNotTheBody) {
  TinyServer server(http("404 Not Found", "", "<html>"), TinyServer::After::kClose);
  const Status status = fetcher_->fetch(server.url("/file"), keep_);
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), AllOf(HasSubstr(server.url("/file")), HasSubstr("404")));
  EXPECT_EQ(body_, "");
}

TEST_F(CurlFetcherTest, ATransferCutShortIsUnavailable) {
  TinyServer server("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
                    TinyServer::After::kClose);
  EXPECT_EQ(fetcher_->fetch(server.url("/file"), keep_).code(), StatusCode::kUnavailable);
}

TEST_F(CurlFetcherTest, AServerThatStopsSendingIsGivenUp) {
  TinyServer server("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", TinyServer::After::kHang);
  const Status status = fetcher_->fetch(server.url("/file"), keep_);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
}

TEST_F(CurlFetcherTest, NobodyListeningIsUnavailableAndNamesTheUrl) {
  std::string url;
  {
    TinyServer server("", TinyServer::After::kClose);
    url = server.url("/gone");
  }
  const Status status = fetcher_->fetch(url, keep_);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr(url));
}

TEST_F(CurlFetcherTest, AFailureOfTheSinkEndsTheTransfer) {
  TinyServer server(http("200 OK", "", std::string(300000, 'b')), TinyServer::After::kClose);
  const Status full(StatusCode::kResourceExhausted, "disk full");
  EXPECT_EQ(fetcher_->fetch(server.url("/x"), [&](std::span<const std::byte>) { return full; }),
            full);
}

TEST_F(CurlFetcherTest, OnlyHttpIsSpoken) {
  TestFolder folder;
  EXPECT_FALSE(fetcher_->fetch("file://" + folder.write("secret", "s"), keep_).ok());
  EXPECT_EQ(body_, "");
}

}  // namespace
}  // namespace sluice::data
