// The threads that help to apply a push: shards are worked on by as many cores as have time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "core/world.h"

namespace sluice::server {

class Crew {
 public:
  // `helpers`: besides the thread that calls run(). `world` outlives the crew.
  Crew(core::World& world, int helpers);
  ~Crew();

  // Calls work(0) to work(n - 1), each once, and returns when all have returned; with what one of
  // them threw, when one did. The caller takes one after the other, and so does each helper that
  // has time: nobody waits for a helper that has not begun. Thread-safe.
  void run(size_t n, const std::function<void(size_t)>& work);

 private:
  struct Job;
  std::vector<std::shared_ptr<core::Strand>> helpers_;
};

}  // namespace sluice::server
