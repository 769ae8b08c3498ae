// Each in a process of its own, since what a signal changes stays changed.
#include "train/signals.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

namespace sluice::train {
namespace {

using namespace std::chrono_literals;
using testing::ExitedWithCode;

class SignalsDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(SignalsDeathTest, TheFirstSignalSetsTheFlagAndTheProgramGoesOn) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    EXPECT_EXIT(
        {
          const std::atomic<bool>& stop = stop_on_signals(60s);
          if (stop) std::_Exit(1);
          raise(signal);
          std::_Exit(stop ? signal_exit_status() : 2);
        },
        ExitedWithCode(128 + signal), "");
  }
}

TEST_F(SignalsDeathTest, TheSecondSignalEndsTheProgram) {
  EXPECT_EXIT(
      {
        stop_on_signals(60s);
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
        stop_on_signals(20ms);
        remove_at_end(folder);
        raise(SIGTERM);
        for (;;) pause();
      },
      ExitedWithCode(128 + SIGTERM), "sluice: interrupted");
  EXPECT_FALSE(std::filesystem::exists(folder));
  unsetenv("SLUICE_TEST_FOLDER");
}

TEST_F(SignalsDeathTest, AHangUpThatNohupIgnoresStaysIgnored) {
  EXPECT_EXIT(
      {
        signal(SIGHUP, SIG_IGN);
        const std::atomic<bool>& stop = stop_on_signals(60s);
        raise(SIGHUP);
        std::_Exit(stop ? 1 : 0);
      },
      ExitedWithCode(0), "");
}

}  // namespace
}  // namespace sluice::train
