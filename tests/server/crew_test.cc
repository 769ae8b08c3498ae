#include "server/crew.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/real_world.h"

namespace sluice::server {
namespace {

TEST(CrewTest, EveryPieceIsDoneOnceBeforeItReturns) {
  for (const int helpers : {0, 1, 3}) {
    Crew crew(core::real_world(), helpers);
    for (const size_t n : {size_t{0}, size_t{1}, size_t{2}, size_t{100}}) {
      std::vector<std::atomic<int>> done(n);
      crew.run(n, [&](size_t i) { ++done[i]; });
      for (size_t i = 0; i < n; ++i) EXPECT_EQ(done[i], 1) << i << " of " << n;
    }
  }
}

// Two pieces that wait for each other are done at the same time.
TEST(CrewTest, HelpersWorkBesideTheCaller) {
  Crew crew(core::real_world(), 1);
  std::mutex mutex;
  std::condition_variable both;
  std::set<std::thread::id> threads;
  crew.run(2, [&](size_t) {
    std::unique_lock lock(mutex);
    threads.insert(std::this_thread::get_id());
    both.notify_all();
    both.wait(lock, [&] { return threads.size() == 2; });
  });
  EXPECT_EQ(threads.size(), 2u);
}

TEST(CrewTest, WhatAPieceThrowsIsThrownWhenAllHaveReturned) {
  Crew crew(core::real_world(), 2);
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> running = 0;
    EXPECT_THROW(crew.run(20,
                          [&](size_t i) {
                            ++running;
                            if (i == 7) {
                              --running;
                              throw std::runtime_error("the rule failed");
                            }
                            --running;
                          }),
                 std::runtime_error);
    EXPECT_EQ(running, 0);
  }
  std::atomic<int> done = 0;
  crew.run(20, [&](size_t) { ++done; });
  EXPECT_EQ(done, 20) << "it goes on";
}

TEST(CrewTest, SeveralCallersMayRunAtOnce) {
  Crew crew(core::real_world(), 2);
  std::atomic<int> done = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int round = 0; round < 100; ++round) crew.run(5, [&](size_t) { ++done; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(done, 4 * 100 * 5);
}

}  // namespace
}  // namespace sluice::server
