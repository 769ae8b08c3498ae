// What is left of a worker that dies at any moment: what it had pushed, all of it and once, and
// nothing else, in this process or on this host.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <string>

#include "tests/memory/segment_pool.h"
#include "tests/memory/shared.h"
#include "tests/memory/worker_process.h"

namespace sluice::memory {
namespace {

constexpr size_t kFloats = size_t{1} << 15;

// A server of one shard, whose values are the sum of all updates.
class Server {
 public:
  // Applies the update as it is in the worker's memory. False: there is nothing to apply.
  bool apply(const WorkerProcess& worker, Header header) {
    const auto guest = door_->find(header.token);
    if (guest == nullptr) return false;
    {
      const auto update = guest->update(header.call, header.place);
      if (!update.ok()) return false;
      const auto next = pool_.take();
      for (size_t i = 0; i < kFloats; ++i) (*next)[i] = (*center_)[i] + update->values[i];
      torn_ = torn_ || !all_are(update->values, static_cast<float>(header.sequence));
      center_ = next;
    }
    sum_ += header.sequence;
    const auto place = guest->lend(header.call, center_->span(), center_);
    lent_ = place.has_value();
    if (!place) return true;
    worker.answer({header.token, header.call, *place, sum_, header.write_on});
    return true;
  }

  const Doorplate& plate() const { return door_->plate(); }
  bool is_alone() const { return door_->guests() == 0; }
  bool torn() const { return torn_; }
  bool lent() const { return lent_; }  // the last time
  uint64_t sum() const { return sum_; }
  const core::AlignedBuffer& center() const { return *center_; }
  size_t idle() const { return pool_.idle(); }

 private:
  const std::shared_ptr<Segments> segments_ = std::make_shared<Segments>();
  const std::unique_ptr<Door> door_ = open_door(segments_);
  SegmentPool pool_{segments_, kFloats, 8, [this] { door_->release(); }};
  std::shared_ptr<core::AlignedBuffer> center_ = pool_.take();
  uint64_t sum_ = 0;
  bool torn_ = false, lent_ = false;
};

TEST(KilledWorkerTest, WhatItPushedCountsOnceAndNothingIsLeft) {
  const size_t files = open_files();
  std::string name;
  {
    Server server;
    name = server.plate().name;
    EXPECT_GT(lines_with(name, "/proc/net/unix"), 0u);
    std::mt19937 random(1);
    std::vector<std::string> arguments = arguments_of(server.plate());
    arguments.push_back(std::to_string(kFloats));
    for (int kill = 0; kill < 200; ++kill) {
      WorkerProcess worker(arguments);
      Header header;
      const bool while_it_writes = random() % 2 == 1;
      for (uint32_t i = random() % 3 + (while_it_writes ? 1 : 0); i > 0; --i) {
        ASSERT_TRUE(worker.hear(header)) << "it has ended by itself";
        header.write_on = while_it_writes && i == 1 ? 1 : 0;
        ASSERT_TRUE(server.apply(worker, header));
        ASSERT_TRUE(server.lent());
      }
      ::usleep(random() % 1000);  // at whatever it is then
      const int status = worker.end(SIGKILL);
      EXPECT_TRUE(WIFSIGNALED(status)) << "status " << WEXITSTATUS(status);
      // What it had said before it died, if its hang-up was not heard first.
      while (worker.hear(header, MSG_DONTWAIT)) {
        EXPECT_FALSE(while_it_writes);
        server.apply(worker, header);
      }
      ASSERT_TRUE(await([&] { return server.is_alone(); }));
      ASSERT_FALSE(server.torn());
      ASSERT_TRUE(all_are(server.center().span(), static_cast<float>(server.sum())));
    }
    EXPECT_GT(server.sum(), 200u);
    // The center, and what one worker may read while the next one is made.
    EXPECT_LE(server.idle() + 1, 3u);
    EXPECT_EQ(mapped_segments(), server.idle() + 1);
  }
  EXPECT_EQ(mapped_segments(), 0u);
  EXPECT_EQ(open_files(), files);
  EXPECT_EQ(lines_with(name, "/proc/net/unix"), 0u);
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    EXPECT_EQ(entry.path().string().find("sluice"), std::string::npos) << entry;
  }
}

}  // namespace
}  // namespace sluice::memory
