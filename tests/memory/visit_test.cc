#include "memory/visit.h"

#include <gmock/gmock.h>

#include <thread>
#include <vector>

#include "tests/memory/segment_pool.h"
#include "tests/memory/shared.h"
#include "tests/memory/worker_process.h"

namespace sluice::memory {
namespace {

using ::testing::HasSubstr;

class VisitTest : public testing::Test {
 protected:
  // What a worker is told that knocks from elsewhere; nothing where this process may not go there.
  std::optional<std::string> told_from(const std::vector<std::string>& elsewhere) {
    std::vector<std::string> command = arguments_of(door_->plate());
    command.insert(command.begin(), testing_support::program_beside_this("memory_worker_program"));
    command.insert(command.end(), elsewhere.begin(), elsewhere.end());
    testing_support::Process process(command);
    if (process.wait(std::chrono::seconds(60)) == 77) return std::nullopt;
    return process.output();
  }

  const std::shared_ptr<Segments> servers_ = std::make_shared<Segments>();
  const std::shared_ptr<Segments> workers_ = std::make_shared<Segments>();
  const std::unique_ptr<Door> door_ = open_door(servers_);
};

TEST_F(VisitTest, AnotherHostIsSaid) {
  Doorplate plate = door_->plate();
  for (const std::string machine : {"", "another"}) {
    plate.machine = machine;
    const Status status = Visit::knock(plate, workers_, {}).status();
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(status.message(), HasSubstr("on another host"));
  }
}

TEST_F(VisitTest, AnotherNetworkNamespaceIsSaidAndWhatToDo) {
  const auto told = told_from({"network"});
  if (!told) GTEST_SKIP() << "this process may not make a network namespace";
  EXPECT_THAT(*told, HasSubstr("FAILED_PRECONDITION"));
  EXPECT_THAT(*told, HasSubstr("network namespace"));
  EXPECT_THAT(*told, HasSubstr("--network container:"));
}

TEST_F(VisitTest, AnotherUserIsSaidAndLeftOutside) {
  const auto told = told_from({"user", "65533"});
  if (!told) GTEST_SKIP() << "this process may not become another user";
  EXPECT_THAT(*told, HasSubstr("runs as user 0 and this process as 65533"));
  EXPECT_THAT(*told, HasSubstr("hung up on"));
  EXPECT_EQ(door_->guests(), 0u);
}

TEST_F(VisitTest, ADoorThatIsGoneIsSaid) {
  Doorplate plate = door_->plate();
  plate.name += "0";
  EXPECT_EQ(Visit::knock(plate, workers_, {}).status().code(), StatusCode::kFailedPrecondition);
  plate.name = std::string(500, 'x');
  EXPECT_FALSE(Visit::knock(plate, workers_, {}).ok());
}

TEST_F(VisitTest, NothingIsSharedBeforeTheServerHasAnswered) {
  const core::Descriptor silent = listen_at("sluice-visit-test-" + std::to_string(::getpid()));
  Doorplate plate = door_->plate();
  plate.name = "sluice-visit-test-" + std::to_string(::getpid());
  const auto visit = Visit::knock(plate, workers_, {});
  ASSERT_TRUE(visit.ok()) << visit.status();
  EXPECT_EQ((*visit)->status().code(), StatusCode::kUnavailable);
  EXPECT_FALSE((*visit)->begin({}, nullptr));
  EXPECT_FALSE((*visit)->answered(1).ok());
  (*visit)->given_up(1);
}

TEST_F(VisitTest, AnExchangeReadsWhereTheOtherWrote) {
  const auto visit = visit_to(door_->plate(), workers_);
  ASSERT_TRUE(visit);
  SegmentPool updates(workers_, 1000, 1), snapshots(servers_, 1000, 1);
  auto update = updates.take();
  (*update)[999] = 3;
  const auto call = visit->begin(update->span(), update);
  ASSERT_TRUE(call);
  update.reset();
  EXPECT_EQ(updates.idle(), 0u) << "the server has not read it";

  const auto guest = door_->find(visit->token());
  ASSERT_TRUE(guest);
  auto snapshot = snapshots.take();
  {
    const auto read = guest->update(call->number, call->update);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->values[999], 3);
    (*snapshot)[999] = read->values[999] + 1;
  }
  const auto place = guest->lend(call->number, snapshot->span(), snapshot);
  ASSERT_TRUE(place);
  snapshot.reset();
  door_->release();
  EXPECT_EQ(snapshots.idle(), 0u) << "the worker has not read it";

  const auto values = visit->values_at(*place);
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_EQ(values->values[999], 4);
  EXPECT_TRUE(visit->answered(call->number).ok());
  EXPECT_EQ(updates.idle(), 1u);
  door_->release();
  EXPECT_EQ(snapshots.idle(), 1u);
}

TEST_F(VisitTest, OrdinaryMemoryIsNotLent) {
  const auto visit = visit_to(door_->plate(), workers_);
  ASSERT_TRUE(visit);
  const std::vector<float> values(10);
  EXPECT_FALSE(visit->begin(values, nullptr));
  const auto call = visit->begin({}, nullptr);
  ASSERT_TRUE(call);
  EXPECT_FALSE(door_->find(visit->token())->lend(call->number, values, nullptr));
}

// It may have written there since, and a call that was given up may still be read.
TEST_F(VisitTest, WhatIsReadFromAServerThatHungUpDoesNotCount) {
  auto door = open_door(servers_);
  const auto visit = visit_to(door->plate(), workers_);
  ASSERT_TRUE(visit);
  SegmentPool updates(workers_, 1000, 2), snapshots(servers_, 1000, 2);
  std::optional<Visit::Call> calls[2];
  for (auto& call : calls) {
    const auto update = updates.take();
    call = visit->begin(update->span(), update);
    ASSERT_TRUE(call);
  }
  const auto guest = door->find(visit->token());
  Place place;
  {
    const auto snapshot = snapshots.take();
    place = *guest->lend(calls[0]->number, snapshot->span(), snapshot);
  }
  const auto read = guest->update(calls[1]->number, calls[1]->update);
  ASSERT_TRUE(read.ok());
  const auto values = visit->values_at(place);
  ASSERT_TRUE(values.ok());
  door.reset();
  EXPECT_EQ(snapshots.idle(), 1u);
  EXPECT_TRUE(all_are(values->values, 0));
  EXPECT_EQ(visit->answered(calls[0]->number).code(), StatusCode::kUnavailable);
  visit->given_up(calls[1]->number);
  EXPECT_EQ(visit->status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(updates.idle(), 1u);
  EXPECT_EQ(visit->leases(), 1u);
}

// Eight workers push at once; every update counts once, no value is ever torn, and what is lent
// comes back.
TEST_F(VisitTest, ManyWorkersExchangeAtOnce) {
  constexpr int kWorkers = 8, kExchanges = 100;
  constexpr size_t kSize = 3000;
  SegmentPool snapshots(servers_, kSize, 32, [this] { door_->release(); });
  std::mutex mutex;
  auto center = snapshots.take();
  const auto serve = [&](uint64_t token, const Visit::Call& call) -> std::optional<Place> {
    const auto guest = door_->find(token);
    if (guest == nullptr) return std::nullopt;
    const auto update = guest->update(call.number, call.update);
    if (!update.ok()) return std::nullopt;
    std::lock_guard lock(mutex);
    const auto next = snapshots.take();
    for (size_t i = 0; i < kSize; ++i) (*next)[i] = (*center)[i] + update->values[i];
    center = next;
    return guest->lend(call.number, center->span(), center);
  };
  std::vector<std::thread> workers;
  for (int w = 0; w < kWorkers; ++w) {
    workers.emplace_back([&] {
      const auto segments = std::make_shared<Segments>();
      const auto visit = visit_to(door_->plate(), segments);
      ASSERT_TRUE(visit);
      SegmentPool updates(segments, kSize, 2);
      for (int i = 0; i < kExchanges; ++i) {
        const auto update = updates.take();
        for (float& value : update->span()) value = 1;
        const auto call = visit->begin(update->span(), update);
        ASSERT_TRUE(call);
        const auto place = serve(visit->token(), *call);
        ASSERT_TRUE(place);
        const auto values = visit->values_at(*place);
        ASSERT_TRUE(values.ok()) << values.status();
        EXPECT_TRUE(all_are(values->values, values->values[0]));
        EXPECT_TRUE(visit->answered(call->number).ok());
      }
      EXPECT_EQ(visit->leases(), 0u);
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_TRUE(all_are(center->span(), kWorkers * kExchanges));
  EXPECT_TRUE(await([&] { return door_->guests() == 0; }));
  EXPECT_LE(snapshots.idle() + 1, 2u * kWorkers + 1) << "more than could be read at once";
}

}  // namespace
}  // namespace sluice::memory
