// Everything that a role asks of its operating system but the network: time, timers, threads,
// random numbers, disk. Modelled on LevelDB's Env. The network is wire/transport.h.
//
// Servers, workers, drivers and their clients use nothing but this interface, so that tests and the
// simulator can run the code that ships in a world of their own: with one thread, a simulated
// clock, and random numbers from a seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/clock.h"
#include "core/unique_function.h"
#include "sluice/status.h"

namespace sluice::core {

// Identifies a timer of one strand; 0: none.
using TimerId = uint64_t;

// Runs tasks one after the other, never two at a time: what only a strand's tasks touch needs no
// lock. Thread-safe. A task may block, if nothing else of the strand is urgent meanwhile.
class Strand {
 public:
  // As close().
  virtual ~Strand() = default;

  // Tasks run in the order in which they were posted. Dropped when the strand is closed.
  virtual void post(Task task) = 0;
  // Runs `task` at the time `when`, or as soon after it as the strand is free.
  virtual TimerId at(TimePoint when, Task task) = 0;
  // Called on the strand, the task will not run; called from elsewhere, it may be running.
  virtual void cancel(TimerId timer) = 0;
  // Runs the tasks that have been posted, drops the timers, accepts nothing more, and returns when
  // the last task has ended. Called on the strand: drops the posted tasks and returns at once.
  virtual void close() = 0;
};

// What identifies a process: its number alone does not, since the first process of every container
// has the number 1, nor does the boot id, which all containers of a machine have.
struct ProcessFacts {
  std::string host;     // name
  std::string machine;  // boot id; empty: not known
  int64_t pid = 0;
  int64_t started = 0;      // in clock ticks since the machine was booted; 0: not known
  std::string container{};  // or pod: its name; empty: none, or not known

  friend bool operator==(const ProcessFacts&, const ProcessFacts&) = default;
};

// "pid 4711 on hosta", "pid 1 on node7, container 4f2a9c0d11e2".
std::string to_text(const ProcessFacts& process);

// Bytes that stay where they are as long as `owner` lives.
struct SharedBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};

// A temporary file without a name: the system removes it when the process ends, in whatever way.
// Written from front to back, then read. Used by one thread at a time.
class ScratchFile {
 public:
  virtual ~ScratchFile() = default;

  // RESOURCE_EXHAUSTED when the disk is full; the file is of no use then.
  virtual Status append(std::span<const std::byte> bytes) = 0;
  // Everything appended so far. Nothing more may be appended afterwards.
  virtual Result<SharedBytes> map() = 0;
};

// Thread-safe.
class Disk {
 public:
  virtual ~Disk() = default;

  // Room for data larger than memory. RESOURCE_EXHAUSTED or PERMISSION_DENIED, naming the folder.
  virtual Result<std::unique_ptr<ScratchFile>> make_scratch_file() = 0;
};

// Thread-safe. Outlives everything that was made in it.
class World {
 public:
  virtual ~World() = default;

  virtual TimePoint now() const = 0;
  // `name` appears in debuggers and in the simulator's history.
  virtual std::shared_ptr<Strand> make_strand(const std::string& name) = 0;
  // A random number, for identifiers that no other process will ever use.
  virtual uint64_t unique_number() = 0;
  virtual ProcessFacts process() const = 0;
  // The most physical memory that the process has had, in bytes; 0: not known.
  virtual int64_t peak_memory_bytes() const = 0;
  virtual Disk& disk() = 0;
};

// One timer that can be set again and again; destroying it clears it. Used on its strand.
class Alarm {
 public:
  explicit Alarm(std::shared_ptr<Strand> strand) : strand_(std::move(strand)) {}
  ~Alarm() { clear(); }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  bool is_set() const { return timer_ != 0; }
  // Replaces what was set before.
  void set(TimePoint when, Task task) {
    clear();
    timer_ = strand_->at(when, [this, run = std::move(task)]() mutable {
      timer_ = 0;
      run();
    });
  }
  void clear() {
    if (timer_ != 0) strand_->cancel(std::exchange(timer_, 0));
  }

 private:
  const std::shared_ptr<Strand> strand_;
  TimerId timer_ = 0;
};

// Drops the answers that come when whoever asked has been destroyed:
//
//   channel.join(request, lifetime_.on(strand_, [this](Result<JoinReply> reply) { ... }));
//
// The function may be called on any thread; its body runs on the strand, unless the Lifetime has
// been destroyed, on that strand, before.
class Lifetime {
 public:
  template <typename F>
  auto on(std::shared_ptr<Strand> strand, F body) const {
    return [strand = std::move(strand), alive = std::weak_ptr<const int>(token_),
            body = std::move(body)](auto... answer) mutable {
      strand->post([alive = std::move(alive), body = std::move(body),
                    ... answer = std::move(answer)]() mutable {
        if (alive.lock()) body(std::move(answer)...);
      });
    };
  }

 private:
  std::shared_ptr<const int> token_ = std::make_shared<const int>(0);
};

}  // namespace sluice::core
