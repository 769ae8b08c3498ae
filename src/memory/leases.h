// Who may still read what, between a worker and a server that read each other's memory.
//
// The worker numbers its calls to the server from 1. With a call it lends the server its update;
// with the answer the server lends it a snapshot of the values. What is lent is kept as it is until
// the other side says that it has done with the call: each side has a word in memory that the other
// reads, the number up to which it reads of no call any more. Saying so takes no system call and no
// message, and needs no answer: a call that is lost, or that comes when its worker waits for it no
// longer, has a number too. Whoever dies is done with everything. Who lies says that it is done too
// early, and reads what is written meanwhile, or too late, and comes to the bound of what it may
// have: nobody else is harmed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "memory/segment.h"

namespace sluice::memory {

// A word that another process reads, at the start of a segment of this one.
class OwnWord {
 public:
  explicit OwnWord(std::shared_ptr<const Segment> segment);
  // Whatever this thread has read before is done with. Never goes back.
  void raise(uint64_t value);

 private:
  std::shared_ptr<const Segment> segment_;
  uint64_t* word_;
};

// Its other side.
class PeerWord {
 public:
  explicit PeerWord(std::shared_ptr<const PeerSegment> segment);
  // Acquires what raise() released. Never goes back, even where the other process would.
  uint64_t read();

 private:
  std::shared_ptr<const PeerSegment> segment_;
  uint64_t* word_;
  uint64_t most_ = 0;
};

// What is kept for the other side. Thread-safe; owners are let go of without a lock.
class LeaseTable {
 public:
  explicit LeaseTable(size_t most) : most_(most) {}

  // False: there are as many as there may be, or it is closed.
  bool hold(uint64_t call, std::shared_ptr<const void> owner);
  void release(uint64_t call);
  void release_up_to(uint64_t call);
  // Lets go of everything, for good.
  void close();
  size_t size() const;

 private:
  using Held = std::vector<std::pair<uint64_t, std::shared_ptr<const void>>>;
  template <typename Done>
  Held take_out(Done done);

  const size_t most_;
  mutable std::mutex mutex_;
  Held held_;
  bool closed_ = false;
};

// The worker's side: its updates are lent. Thread-safe.
class CallerLeases {
 public:
  CallerLeases(OwnWord own, PeerWord server, size_t most)
      : updates_(most), own_(std::move(own)), server_(std::move(server)) {}

  // The number of a call with which `update`, which may be null, is lent. Nothing: too many are.
  std::optional<uint64_t> begin(std::shared_ptr<const void> update);
  // The server has answered: it has read the update, and its snapshot is read no more.
  void answered(uint64_t call);
  // No answer will be looked at any more. The update is kept until the server says.
  void given_up(uint64_t call);
  // Lets go of what the server has read.
  void release();
  size_t size() const { return updates_.size(); }

 private:
  void end(uint64_t call);

  LeaseTable updates_;
  std::mutex mutex_;
  OwnWord own_;
  PeerWord server_;
  uint64_t last_ = 0;
  std::set<uint64_t> open_;
};

// The server's: its snapshots are lent. Thread-safe.
class ServerLeases : public std::enable_shared_from_this<ServerLeases> {
 public:
  ServerLeases(OwnWord own, PeerWord worker, size_t most)
      : most_(most), snapshots_(most), own_(std::move(own)), worker_(std::move(worker)) {}

  // Before anything of the call's update is read: what must live as long as it is. Null: the worker
  // has given the call up, has it twice, or too many.
  std::shared_ptr<const void> claim(uint64_t call);
  // Keeps `snapshot` until the worker is done with the call. False: send it in another way.
  bool hold(uint64_t call, std::shared_ptr<const void> snapshot);
  // Lets go of what the worker is done with.
  void release();
  void close() { snapshots_.close(); }
  size_t size() const { return snapshots_.size(); }

 private:
  void end(uint64_t call);
  uint64_t done();

  const size_t most_;
  LeaseTable snapshots_;
  std::mutex mutex_;
  OwnWord own_;
  PeerWord worker_;
  std::set<uint64_t> open_;
};

}  // namespace sluice::memory
