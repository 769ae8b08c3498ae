// A world of one thread whose clock the test moves: the same events in the same order, every time.
//
//   ManualWorld world;
//   const auto strand = world.make_strand("network");
//   strand->at(world.now() + 5s, [] { ... });
//   world.run();        // what can run now, and what that posts
//   world.advance(5s);  // and what becomes due meanwhile, each at its time
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/rng.h"
#include "core/world.h"

namespace sluice {

// Kept in memory.
class ManualDisk final : public core::Disk {
 public:
  Result<std::unique_ptr<core::ScratchFile>> make_scratch_file() override {
    if (!failure.ok()) return failure;
    std::unique_ptr<core::ScratchFile> file = std::make_unique<File>(failure);
    return file;
  }

  Status failure;  // of everything from now on, unless OK

 private:
  class File final : public core::ScratchFile {
   public:
    explicit File(const Status& failure) : failure_(failure) {}
    Status append(std::span<const std::byte> bytes) override {
      if (failure_.ok()) bytes_->insert(bytes_->end(), bytes.begin(), bytes.end());
      return failure_;
    }
    Result<core::SharedBytes> map() override {
      if (!failure_.ok()) return failure_;
      return core::SharedBytes{*bytes_, bytes_};
    }

   private:
    const Status& failure_;
    const std::shared_ptr<std::vector<std::byte>> bytes_ =
        std::make_shared<std::vector<std::byte>>();
  };
};

class ManualWorld final : public core::World {
 public:
  explicit ManualWorld(uint64_t seed = 1) : chance_(seed) {}
  ~ManualWorld() override {  // what tasks hold may still use their strands
    const auto posted = std::exchange(posted_, {});
    const auto timers = std::exchange(timers_, {});
  }

  // Runs timers that are due and posted tasks, until there are none.
  void run() {
    while (run_one()) {
    }
  }
  // Lets time pass.
  void advance(core::Duration by) {
    const core::TimePoint end = now_ + by;
    run();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      now_ = timers_.begin()->first.first;
      run();
    }
    now_ = end;
  }
  // Lets time pass until `done` holds, but no longer than `most`. Whether it holds.
  bool run_until(const std::function<bool()>& done, core::Duration most) {
    const core::TimePoint end = now_ + most;
    while (!done()) {
      if (run_one()) continue;
      if (timers_.empty() || timers_.begin()->first.first > end) return false;
      now_ = timers_.begin()->first.first;
    }
    return true;
  }

  // Tasks that have not run yet.
  size_t posted() const { return posted_.size(); }

  core::TimePoint now() const override { return now_; }
  std::shared_ptr<core::Strand> make_strand(const std::string&) override {
    return std::make_shared<ManualStrand>(*this);
  }
  uint64_t unique_number() override { return chance_.next(); }
  core::ProcessFacts process() const override { return {"manual-host", "machine", 17, 1}; }
  int64_t peak_memory_bytes() const override { return 1 << 20; }
  ManualDisk& disk() override { return disk_; }

 private:
  class ManualStrand final : public core::Strand {
   public:
    explicit ManualStrand(ManualWorld& world) : world_(world) {}
    ~ManualStrand() override { close(); }

    void post(core::Task task) override {
      if (!closed_) world_.posted_.push_back({this, std::move(task)});
    }
    core::TimerId at(core::TimePoint when, core::Task task) override {
      const core::TimerId id = ++world_.last_timer_;
      if (!closed_) world_.timers_.emplace(std::pair(when, id), Entry{this, std::move(task)});
      return id;
    }
    void cancel(core::TimerId timer) override {
      for (auto it = world_.timers_.begin(); it != world_.timers_.end(); ++it) {
        if (it->first.second != timer) continue;
        const auto dropped = world_.timers_.extract(it);
        return;
      }
    }
    void close() override {
      if (closed_) return;
      closed_ = true;
      world_.drop_timers(this);
      // On the strand itself what was posted is dropped; from elsewhere it runs at once.
      while (auto task = world_.take_posted(this)) {
        if (!world_.is_inside(this)) world_.run_task(this, std::move(*task));
      }
    }

   private:
    ManualWorld& world_;
    bool closed_ = false;
  };

  struct Entry {
    const ManualStrand* strand;
    core::Task task;
  };

  // As on a real strand, timers that are due come before what was posted.
  bool run_one() {
    Entry next{};
    if (!timers_.empty() && timers_.begin()->first.first <= now_) {
      next = std::move(timers_.extract(timers_.begin()).mapped());
    } else if (!posted_.empty()) {
      next = std::move(posted_.front());
      posted_.pop_front();
    } else {
      return false;
    }
    run_task(next.strand, std::move(next.task));
    return true;
  }

  void run_task(const ManualStrand* strand, core::Task task) {
    inside_.push_back(strand);
    task();
    task = nullptr;  // what it held belongs to the strand too
    inside_.pop_back();
  }

  bool is_inside(const ManualStrand* strand) const {
    for (const ManualStrand* one : inside_) {
      if (one == strand) return true;
    }
    return false;
  }

  std::optional<core::Task> take_posted(const ManualStrand* strand) {
    for (auto it = posted_.begin(); it != posted_.end(); ++it) {
      if (it->strand != strand) continue;
      std::optional<core::Task> task(std::move(it->task));
      posted_.erase(it);
      return task;
    }
    return std::nullopt;
  }

  void drop_timers(const ManualStrand* strand) {
    std::vector<core::Task> dropped;  // destroyed when the timers can be changed again
    for (auto it = timers_.begin(); it != timers_.end();) {
      const auto next = std::next(it);
      if (it->second.strand == strand) {
        dropped.push_back(std::move(timers_.extract(it).mapped().task));
      }
      it = next;
    }
  }

  core::Rng chance_;
  ManualDisk disk_;
  core::TimePoint now_{std::chrono::hours(1)};  // a zero would mean nothing
  std::deque<Entry> posted_;                    // of all strands, in their order
  std::map<std::pair<core::TimePoint, core::TimerId>, Entry> timers_;
  core::TimerId last_timer_ = 0;
  std::vector<const ManualStrand*> inside_;  // whose tasks are running, one in the other
};

}  // namespace sluice
