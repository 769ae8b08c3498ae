// What a worker and a server have exchanged, and how it got there.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::wire {

struct Path {
  enum class Way { kTcp, kUnixSocket, kSharedMemory };
  Way way = Way::kTcp;
  // Why it is not the fastest that one host offers, and what to do; empty: it is, or the two are on
  // different hosts.
  std::string hint{};

  friend bool operator==(const Path&, const Path&) = default;
};
// "TCP", "Unix socket", "shared memory".
const char* to_string(Path::Way way);

// Since the worker joined.
struct Traffic {
  int server = 0;
  Path path{};  // of the last exchange
  int64_t exchanges = 0;
  double seconds = 0;  // that they took, each from its first message to the server's last answer
  int64_t sent_bytes = 0, received_bytes = 0;  // of updates and values, also those that went again
  int64_t saved_bytes = 0;  // that they would have had more, had they not been compressed

  friend bool operator==(const Traffic&, const Traffic&) = default;
};
// Adds up the counts; server and path are those of `more`.
void add(Traffic& to, const Traffic& more);

}  // namespace sluice::wire
