#include "core/standard_error.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <sstream>
#include <string>

namespace sluice::core {
namespace {

using testing::HasSubstr;

// Standard error is one end of something whose other end the test has.
class StandardErrorTest : public testing::Test {
 protected:
  void TearDown() override {
    if (before_ < 0) return;
    dup2(before_, STDERR_FILENO);
    close(before_);
    if (other_ >= 0) close(other_);
  }
  void replace(int end, int other) {
    before_ = dup(STDERR_FILENO);
    dup2(end, STDERR_FILENO);
    close(end);
    other_ = other;
  }
  void SetUp() override { write_to_standard_error("behind what other tests have lost\n"); }
  void make_pipe() {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    replace(ends[1], ends[0]);
  }
  void hang_up() {
    close(other_);
    other_ = -1;
  }
  std::string read_all() const {
    std::string text;
    char block[4096];
    for (pollfd ready{other_, POLLIN, 0}; poll(&ready, 1, 200) > 0;) {
      const ssize_t n = read(other_, block, sizeof block);
      if (n <= 0) break;
      text.append(block, static_cast<size_t>(n));
    }
    return text;
  }
  // Every line comes, or is counted where it is missing; of what is torn, a terminal may have had
  // all but the line's end.
  void expect_that_the_lost_are_counted() {
    constexpr int kLines = 3000;
    const std::string line(99, 'x');
    for (int i = 0; i < kLines; ++i) write_to_standard_error(line + "\n");
    std::string text = read_all();
    write_to_standard_error("somebody reads again\n");
    text += read_all();
    EXPECT_THAT(text, HasSubstr("somebody reads again"));
    int came = 0, lost = 0, torn = 0;
    std::istringstream lines(text);
    for (std::string found; std::getline(lines, found);) {
      if (found.starts_with(line)) ++came;
      if (!found.starts_with("(")) continue;
      lost += std::stoi(found.substr(1));
      ++torn;
    }
    EXPECT_GT(came, 10);
    EXPECT_GT(lost, 10);
    EXPECT_GE(came + lost, kLines);
    EXPECT_LE(came + lost, kLines + torn);
  }

 private:
  int before_ = -1;
  int other_ = -1;
};

TEST_F(StandardErrorTest, APipeThatNobodyReads) {
  make_pipe();
  expect_that_the_lost_are_counted();
}

TEST_F(StandardErrorTest, ASocketThatNobodyReads) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  replace(ends[1], ends[0]);
  expect_that_the_lost_are_counted();
}

TEST_F(StandardErrorTest, ATerminalThatNobodyReads) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  ASSERT_GE(terminal, 0);
  ASSERT_EQ(grantpt(terminal), 0);
  ASSERT_EQ(unlockpt(terminal), 0);
  const int end = open(ptsname(terminal), O_RDWR | O_NOCTTY);
  ASSERT_GE(end, 0);
  replace(end, terminal);
  expect_that_the_lost_are_counted();
}

// Who shares the pipe must not find it changed.
TEST_F(StandardErrorTest, ThePipeStaysOneThatWaits) {
  make_pipe();
  write_to_standard_error("line\n");
  EXPECT_EQ(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(read_all(), "line\n");
}

TEST_F(StandardErrorTest, AReaderThatHasGoneIsNoSignal) {
  make_pipe();
  hang_up();
  write_to_standard_error("nobody hears this\n");
  sigset_t waiting;
  sigpending(&waiting);
  EXPECT_EQ(sigismember(&waiting, SIGPIPE), 0);
}

TEST_F(StandardErrorTest, OneThatIsClosedIsLeftAlone) {
  make_pipe();
  close(STDERR_FILENO);
  write_to_standard_error("nobody hears this\n");
}

TEST_F(StandardErrorTest, AFileIsWrittenToBehindWhatItHas) {
  std::string path = testing::TempDir() + "/standard-error-XXXXXX";
  const int file = mkstemp(path.data());
  ASSERT_GE(file, 0);
  replace(file, open(path.c_str(), O_RDONLY));
  write_to_standard_error("one\n");
  write_to_standard_error("two\n");
  EXPECT_EQ(read_all(), "one\ntwo\n");
  unlink(path.c_str());
}

}  // namespace
}  // namespace sluice::core
