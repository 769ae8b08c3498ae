#include "server/crew.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>

namespace sluice::server {

// Outlives run() where a helper finds too late that there is nothing left to do.
struct Crew::Job {
  Job(size_t all, const std::function<void(size_t)>& its_work) : n(all), work(&its_work) {}

  void help() {
    std::unique_lock lock(mutex);
    while (next < n && !error) {
      const size_t mine = next++;
      ++busy;
      lock.unlock();
      std::exception_ptr thrown;
      try {
        (*work)(mine);
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
      --busy;
      if (thrown && !error) error = thrown;
    }
    if (busy == 0) ended.notify_all();
  }

  const size_t n;
  const std::function<void(size_t)>* const work;  // valid until all have been done
  std::mutex mutex;
  std::condition_variable ended;
  size_t next = 0;
  int busy = 0;
  std::exception_ptr error;
};

Crew::Crew(core::World& world, int helpers) {
  for (int i = 0; i < helpers; ++i) {
    helpers_.push_back(world.make_strand("apply " + std::to_string(i + 1)));
  }
}

Crew::~Crew() {
  for (const auto& helper : helpers_) helper->close();
}

void Crew::run(size_t n, const std::function<void(size_t)>& work) {
  const size_t helpers = std::min(helpers_.size(), n > 0 ? n - 1 : 0);
  if (helpers == 0) {
    for (size_t i = 0; i < n; ++i) work(i);
    return;
  }
  const auto job = std::make_shared<Job>(n, work);
  for (size_t i = 0; i < helpers; ++i) {
    helpers_[i]->post([job] { job->help(); });
  }
  job->help();
  std::unique_lock lock(job->mutex);
  job->ended.wait(lock, [&] { return job->busy == 0; });
  if (job->error) std::rethrow_exception(job->error);
}

}  // namespace sluice::server
