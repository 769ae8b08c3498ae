// For which batch sizes a replica is compiled, and how many of them it keeps.
#pragma once

#include <algorithm>
#include <cstdint>
#include <list>
#include <memory>

#include "backend/graph.h"
#include "backend/replica.h"

namespace sluice::backend {

// The size of the program that takes a batch of n. A training step is of just its samples. For
// inference, where samples do not know of each other, it is the next power of two, `options`'
// batch size at most, and the rest of the program's batch is anything: unless the user's own
// operations would see it.
inline int64_t program_size(const Graph& graph, const ReplicaOptions& options, int64_t n) {
  const bool exact = std::any_of(graph.ops.begin(), graph.ops.end(), [](const Op& op) {
    return std::holds_alternative<HostOp>(op.kind);
  });
  if (exact || options.purpose == Purpose::kTraining) return n;
  int64_t size = 1;
  while (size < n) size *= 2;
  return std::min(size, options.batch_size);
}

// The programs that were used last, by their batch sizes. A job has two or three: whole batches and
// what an epoch of a partition ends with.
template <typename Program>
class ProgramCache {
 public:
  // The program for this size; made by make() where there is none.
  template <typename Make>
  Program& get(int64_t size, const Make& make) {
    const auto found = std::find_if(programs_.begin(), programs_.end(),
                                    [&](const Entry& entry) { return entry.size == size; });
    if (found != programs_.end()) {
      programs_.splice(programs_.begin(), programs_, found);
    } else {
      programs_.push_front({size, make()});
      if (programs_.size() > kMost) programs_.pop_back();
    }
    return *programs_.front().program;
  }
  void clear() { programs_.clear(); }

 private:
  static constexpr size_t kMost = 12;  // powers of two up to 1,024, and what is no power of two
  struct Entry {
    int64_t size;
    std::unique_ptr<Program> program;
  };
  std::list<Entry> programs_;  // the one that was used last first
};

}  // namespace sluice::backend
