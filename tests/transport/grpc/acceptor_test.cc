// More connections than the process may have descriptors: a burst, idle, closed again.
#include "transport/grpc/acceptor.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/log.h"
#include "tests/transport/transport_fixture.h"

namespace sluice::transport {
namespace {

using std::chrono::steady_clock;

constexpr uint64_t kJob = 1;

size_t open_files() {
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

// When what an earlier test has left is closed.
size_t open_files_at_rest() {
  for (size_t files = 0;;) {
    const size_t before = std::exchange(files, open_files());
    if (files == before) return files;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

// The soft limit, for as long as this lives.
class FileLimit {
 public:
  explicit FileLimit(size_t files) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit limit{files, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~FileLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

// Another process that holds connections and says nothing on them.
class IdleConnections {
 public:
  IdleConnections(const std::string& address, int count) {
    sockaddr_storage name{};
    const socklen_t size = name_of(address, name);
    int done[2];
    EXPECT_EQ(::pipe(done), 0);
    child_ = ::fork();
    if (child_ == 0) hold(name, size, count, done[1]);  // system calls only: there were threads
    ::close(done[1]);
    char byte = 0;
    EXPECT_EQ(::read(done[0], &byte, 1), 1) << "some connection was refused";
    ::close(done[0]);
  }
  ~IdleConnections() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

 private:
  static socklen_t name_of(const std::string& address, sockaddr_storage& name) {
    if (address.starts_with("unix:")) {
      auto& unix_name = reinterpret_cast<sockaddr_un&>(name);
      unix_name.sun_family = AF_UNIX;
      address.copy(unix_name.sun_path, sizeof unix_name.sun_path - 1, 5);
      return sizeof unix_name;
    }
    auto& v4 = reinterpret_cast<sockaddr_in&>(name);
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v4.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    return sizeof v4;
  }

  [[noreturn]] static void hold(const sockaddr_storage& name, socklen_t size, int count, int done) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // whatever becomes of the test
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < count; ++i) {
      const int fd = ::socket(name.ss_family, SOCK_STREAM, 0);
      if (::connect(fd, reinterpret_cast<const sockaddr*>(&name), size) != 0) ::_exit(1);
    }
    if (::write(done, "", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }

  pid_t child_ = 0;
};

template <typename Condition>
bool becomes_true(Condition condition) {
  const auto patience = steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (steady_clock::now() > patience) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

bool can_open_a_file() {
  const Descriptor file(::dup(0));
  return file.valid();
}

class GrpcAcceptorTest : public ::testing::TestWithParam<TransportKind> {
 protected:
  void SetUp() override {
    server_.serve_job(kJob);
    wire::ListenOptions options;
    options.on_full = [this](const std::string& why) {
      std::lock_guard lock(mutex_);
      told_.push_back(why);
    };
    auto listener = transport_.listen(any_address(GetParam()), &server_, options);
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    old_ = transport_.connect_parameters(listener_->address());
    ASSERT_TRUE(answers(*old_));
  }

  static bool answers(wire::ParameterChannel& channel) {
    const Status status = ping(channel, kJob);
    EXPECT_TRUE(status.ok()) << status;
    return status.ok();
  }
  bool answers_who_comes_now() {
    return answers(*transport_.connect_parameters(listener_->address()));
  }

  std::vector<std::string> told() {
    std::lock_guard lock(mutex_);
    return told_;
  }

  std::mutex mutex_;
  std::vector<std::string> told_;  // guarded by mutex_
  GrpcTransport transport_;
  server::ParameterServer server_{core::real_world()};
  std::unique_ptr<wire::Listener> listener_;
  std::shared_ptr<wire::ParameterChannel> old_;
};

TEST_P(GrpcAcceptorTest, HearsAgainAfterItsDescriptorsHadRunOut) {
  // UBSan looks at each type of object once, by a pipe, for which there will be no descriptors.
  ASSERT_TRUE(answers_who_comes_now());
  SLUICE_LOG(warn, "{}: will be short of {}", listener_->address(), "descriptors");
  const FileLimit limit(open_files_at_rest() + 20);
  {
    const IdleConnections idle(listener_->address(), 300);
    EXPECT_TRUE(becomes_true([] { return !can_open_a_file(); }));
    EXPECT_TRUE(answers(*old_));
    EXPECT_TRUE(becomes_true([this] { return !told().empty(); }));
    EXPECT_EQ(told(), std::vector<std::string>{"Too many open files"}) << "once";
  }
  EXPECT_TRUE(answers_who_comes_now());
  EXPECT_TRUE(becomes_true([this] { return told().back().empty(); })) << "there is room again";
}

TEST_P(GrpcAcceptorTest, LeavesDescriptorsForOthers) {
  const size_t others = open_files_at_rest();
  const size_t most = 3 * (others + 100);
  const FileLimit limit(most);
  {
    const IdleConnections idle(listener_->address(), static_cast<int>(most));
    // All but one of the connections are new.
    EXPECT_TRUE(becomes_true([&] { return open_files() >= others + most - most / 4 - 1; }));
    EXPECT_TRUE(answers(*old_));
    EXPECT_TRUE(can_open_a_file());
  }
  EXPECT_TRUE(answers_who_comes_now());
}

TEST_P(GrpcAcceptorTest, IdleConnectionsDoNotKeepAListener) {
  const IdleConnections idle(listener_->address(), 50);
  ASSERT_TRUE(answers_who_comes_now());
  const auto begin = steady_clock::now();
  listener_.reset();
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(1));
}

INSTANTIATE_TEST_SUITE_P(Sockets, GrpcAcceptorTest,
                         ::testing::Values(TransportKind::kGrpcTcp, TransportKind::kGrpcUnix),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace sluice::transport
