#include "core/real_world.h"

#include <pthread.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "core/mapped_file.h"
#include "core/process_info.h"
#include "core/rng.h"

namespace sluice::core {
namespace {

// What a strand and its thread share: a strand may be given up by its own last task.
class Loop {
 public:
  void post(Task task) {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    tasks_.push_back(std::move(task));
    changed_.notify_one();
  }

  TimerId at(TimePoint when, Task task) {
    std::lock_guard lock(mutex_);
    const TimerId id = ++last_timer_;
    if (closed_) return id;
    const bool first = timers_.empty() || when < timers_.begin()->first.first;
    due_[id] = when;
    timers_.emplace(std::pair(when, id), std::move(task));
    if (first) changed_.notify_one();
    return id;
  }

  void cancel(TimerId id) {
    Task dropped;  // destroyed without the lock
    std::lock_guard lock(mutex_);
    const auto due = due_.find(id);
    if (due == due_.end()) return;
    const auto timer = timers_.find({due->second, id});
    dropped = std::move(timer->second);
    timers_.erase(timer);
    due_.erase(due);
  }

  // What has been posted still runs.
  void close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_one();
  }
  void drop_posted() {
    std::deque<Task> dropped;
    std::lock_guard lock(mutex_);
    dropped.swap(tasks_);
  }

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      Task task = next(lock);
      if (!task) break;
      lock.unlock();
      task();
      task = nullptr;  // what it held may post again, or close the strand
      lock.lock();
    }
    std::map<std::pair<TimePoint, TimerId>, Task> timers;
    timers.swap(timers_);
    due_.clear();
    lock.unlock();
  }

 private:
  // The next task, waited for; none: closed.
  Task next(std::unique_lock<std::mutex>& lock) {
    for (;;) {
      // Timers that are due come first: posted tasks may follow one another without end.
      if (!closed_ && !timers_.empty() && timers_.begin()->first.first <= steady_now()) {
        auto timer = timers_.extract(timers_.begin());
        due_.erase(timer.key().second);
        return std::move(timer.mapped());
      }
      if (!tasks_.empty()) {
        Task task = std::move(tasks_.front());
        tasks_.pop_front();
        return task;
      }
      if (closed_) return nullptr;
      if (timers_.empty()) {
        changed_.wait(lock);
      } else {
        const TimePoint first = timers_.begin()->first.first;  // may be gone after the wait
        changed_.wait_until(lock, first);
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  std::map<std::pair<TimePoint, TimerId>, Task> timers_;
  std::map<TimerId, TimePoint> due_;  // of timers_, by id
  TimerId last_timer_ = 0;
  bool closed_ = false;
};

class ThreadStrand final : public Strand {
 public:
  explicit ThreadStrand(const std::string& name)
      : loop_(std::make_shared<Loop>()), thread_([loop = loop_] { loop->run(); }) {
    pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
  }
  ~ThreadStrand() override { close(); }

  void post(Task task) override { loop_->post(std::move(task)); }
  TimerId at(TimePoint when, Task task) override { return loop_->at(when, std::move(task)); }
  void cancel(TimerId timer) override { loop_->cancel(timer); }

  void close() override {
    loop_->close();
    if (std::this_thread::get_id() == thread_id_) {
      loop_->drop_posted();
      if (thread_.joinable()) thread_.detach();  // ends when this task has
      return;
    }
    std::lock_guard lock(mutex_);
    if (thread_.joinable()) thread_.join();
  }

 private:
  const std::shared_ptr<Loop> loop_;
  std::mutex mutex_;  // of close()
  std::thread thread_;
  const std::thread::id thread_id_ = thread_.get_id();
};

class ScratchTempFile final : public ScratchFile {
 public:
  explicit ScratchTempFile(TempFile file) : file_(std::move(file)) {}

  Status append(std::span<const std::byte> bytes) override { return file_.write(bytes); }
  Result<SharedBytes> map() override {
    SLUICE_ASSIGN_OR_RETURN(const auto mapped, file_.map());
    return SharedBytes{mapped->bytes(), mapped};
  }

 private:
  TempFile file_;
};

class RealDisk final : public Disk {
 public:
  Result<std::unique_ptr<ScratchFile>> make_scratch_file() override {
    SLUICE_ASSIGN_OR_RETURN(TempFile file, TempFile::create());
    std::unique_ptr<ScratchFile> scratch = std::make_unique<ScratchTempFile>(std::move(file));
    return scratch;
  }
};

class RealWorld final : public World {
 public:
  TimePoint now() const override { return steady_now(); }
  std::shared_ptr<Strand> make_strand(const std::string& name) override {
    return std::make_shared<ThreadStrand>(name);
  }
  uint64_t unique_number() override { return core::unique_number(); }
  ProcessFacts process() const override {
    return {host_name(), boot_id(), ::getpid(), start_ticks(), container_name()};
  }
  int64_t peak_memory_bytes() const override { return core::peak_memory_bytes(); }
  Disk& disk() override { return disk_; }

 private:
  RealDisk disk_;
};

}  // namespace

World& real_world() {
  static auto* const world = new RealWorld;  // never destroyed: threads may outlive main()
  return *world;
}

}  // namespace sluice::core
