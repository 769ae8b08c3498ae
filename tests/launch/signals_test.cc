// Each in a process of its own, since what a signal changes stays changed.
#include "launch/signals.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sluice::launch {
namespace {

using namespace std::chrono_literals;
using testing::ExitedWithCode;

class SignalsDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

bool comes_within(const std::stop_token& stop, std::chrono::seconds time) {
  for (int64_t i = 0; i < 1000 * time.count() && !stop.stop_requested(); ++i) usleep(1000);
  return stop.stop_requested();
}

TEST_F(SignalsDeathTest, TheFirstSignalRequestsAStopAndTheProgramGoesOn) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) {
    EXPECT_EXIT(
        {
          const StopSignals signals({.grace = 60s});
          const std::stop_token stop = signals.token();
          if (stop.stop_requested()) std::_Exit(1);
          raise(signal);
          std::_Exit(comes_within(stop, 30s) ? StopSignals::exit_status() : 2);
        },
        ExitedWithCode(128 + signal), "");
  }
}

TEST_F(SignalsDeathTest, TheSecondSignalEndsTheProgram) {
  EXPECT_EXIT(
      {
        const StopSignals signals({.grace = 60s});
        raise(SIGTERM);
        raise(SIGINT);
        for (;;) pause();
      },
      ExitedWithCode(128 + SIGINT), "interrupted");
}

TEST_F(SignalsDeathTest, WhatHasNotEndedWithinTheGraceIsEndedAndItsFolderIsRemoved) {
  std::string folder = testing::TempDir() + "/signals-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  // A death test runs this test again from its beginning: the folder is known by the environment.
  if (std::getenv("SLUICE_TEST_FOLDER") == nullptr) {
    setenv("SLUICE_TEST_FOLDER", folder.c_str(), 1);
  } else {
    std::filesystem::remove(folder);
    folder = std::getenv("SLUICE_TEST_FOLDER");
  }
  EXPECT_EXIT(
      {
        const StopSignals signals({.grace = 20ms});
        remove_at_end(folder);
        raise(SIGTERM);
        for (;;) pause();
      },
      ExitedWithCode(128 + SIGTERM), "sluice: interrupted");
  EXPECT_FALSE(std::filesystem::exists(folder));
  unsetenv("SLUICE_TEST_FOLDER");
}

// As nohup does with SIGHUP, and a shell without job control with SIGINT for what it starts by "&".
TEST_F(SignalsDeathTest, WhatWasIgnoredStaysIgnored) {
  EXPECT_EXIT(
      {
        for (int ignored : {SIGHUP, SIGINT}) signal(ignored, SIG_IGN);
        const StopSignals signals({.grace = 60s});
        const std::stop_token stop = signals.token();
        for (int ignored : {SIGHUP, SIGINT}) raise(ignored);
        std::_Exit(comes_within(stop, 1s) ? 1 : 0);
      },
      ExitedWithCode(0), "");
}

TEST_F(SignalsDeathTest, AStopMayBeAnsweredByWhoeverWaitsForIt) {
  EXPECT_EXIT(
      {
        const StopSignals signals({.grace = 60s});
        const std::stop_token stop = signals.token();
        const std::stop_callback end(stop, [] { std::_Exit(StopSignals::exit_status()); });
        raise(SIGINT);
        for (;;) pause();
      },
      ExitedWithCode(128 + SIGINT), "");
}

TEST_F(SignalsDeathTest, TheSignalHasAName) {
  EXPECT_EXIT(
      {
        const StopSignals signals({.grace = 60s});
        const std::stop_token stop = signals.token();
        raise(SIGTERM);
        std::_Exit(comes_within(stop, 30s) && StopSignals::name() == "SIGTERM" ? 0 : 1);
      },
      ExitedWithCode(0), "");
}

// Standard error becomes a pipe that nobody reads and that takes nothing more.
void fill_standard_error() {
  int ends[2];
  if (pipe(ends) != 0) std::_Exit(98);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  const std::string some(4096, 'x');
  while (write(ends[1], some.data(), some.size()) > 0) {
  }
  fcntl(ends[1], F_SETFL, 0);
  dup2(ends[1], STDERR_FILENO);
}

TEST_F(SignalsDeathTest, TheProgramEndsThoughNobodyReadsItsStandardError) {
  EXPECT_EXIT(
      {
        alarm(60);  // or, if this fails, it never ends
        fill_standard_error();
        const StopSignals signals({.grace = 50ms});
        raise(SIGINT);
        std::fprintf(stderr, "stuck for ever\n");  // and keeps others from writing
        std::_Exit(99);
      },
      ExitedWithCode(128 + SIGINT), "");
}

void count(int /*signal*/) {}

auto handler_of(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return action.sa_handler;
}

// A library must not keep what it has borrowed.
TEST_F(SignalsDeathTest, AProgramsOwnHandlersStayAndTheOthersComeBack) {
  EXPECT_EXIT(
      {
        signal(SIGTERM, count);
        for (int times = 0; times < 2; ++times) {
          const StopSignals signals({.grace = 60s});
          const StopSignals nested({.grace = 60s});
          if (handler_of(SIGTERM) != count || handler_of(SIGINT) == SIG_DFL) std::_Exit(1);
          raise(SIGTERM);  // the program's own matter
          if (signals.token().stop_requested()) std::_Exit(2);
          raise(SIGINT);
          if (!comes_within(nested.token(), 30s)) std::_Exit(3);
        }
        if (handler_of(SIGTERM) != count || handler_of(SIGINT) != SIG_DFL) std::_Exit(4);
        std::_Exit(0);
      },
      ExitedWithCode(0), "");
}

enum class Waits { kNo, kByTheClockThatIsSet, kByTheSteadyClock };

// How a thread waits with a timeout, as the kernel tells it.
Waits waits(const std::filesystem::path& thread) {
  constexpr long kFutexClockRealtime = 256;
  std::ifstream file(thread / "syscall");
  std::string number, address, operation, value, timeout;
  file >> number >> address >> operation >> value >> timeout;
  if (number != std::to_string(SYS_futex) || timeout == "0x0") return Waits::kNo;
  return std::stol(operation, nullptr, 16) & kFutexClockRealtime ? Waits::kByTheClockThatIsSet
                                                                 : Waits::kByTheSteadyClock;
}

// Whoever sets the clock back, as at the end of summer time, must not lengthen it.
TEST_F(SignalsDeathTest, TheGraceIsNotCountedByTheWallClock) {
  if (!std::ifstream("/proc/thread-self/syscall")) GTEST_SKIP() << "this kernel does not tell";
  EXPECT_EXIT(
      {
        const StopSignals signals({.grace = 60s});
        const std::stop_token stop = signals.token();
        raise(SIGTERM);
        if (!comes_within(stop, 30s)) std::_Exit(2);
        for (;;) {
          for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
            const Waits how = waits(thread.path());
            if (how != Waits::kNo) std::_Exit(how == Waits::kByTheSteadyClock ? 0 : 3);
          }
          usleep(1000);
        }
      },
      ExitedWithCode(0), "");
}

}  // namespace
}  // namespace sluice::launch
