// Each in a process of its own, since what a signal changes stays changed.
#include "train/signals.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace sluice::train {
namespace {

using testing::ExitedWithCode;

class SignalsDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(SignalsDeathTest, TheFirstSignalSetsTheFlagAndTheProgramGoesOn) {
  for (int signal : {SIGINT, SIGTERM}) {
    EXPECT_EXIT(
        {
          const std::atomic<bool>& stop = stop_on_signals(60);
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
        stop_on_signals(60);
        raise(SIGTERM);
        raise(SIGINT);
        std::_Exit(1);
      },
      ExitedWithCode(128 + SIGINT), "");
}

TEST_F(SignalsDeathTest, WhatHasNotEndedWithinTheGraceIsEnded) {
  EXPECT_EXIT(
      {
        stop_on_signals(60);
        raise(SIGTERM);
        const unsigned left = alarm(0);  // seconds
        if (left < 50 || left > 60) std::_Exit(1);
        raise(SIGALRM);  // the grace is over
        std::_Exit(2);
      },
      ExitedWithCode(128 + SIGTERM), "");
}

}  // namespace
}  // namespace sluice::train
