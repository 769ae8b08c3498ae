// What workers hold of a shard's values, where they are answered with compressed differences.
//
// A worker adds a difference to what it holds. What the encoding does not tell of it is therefore
// missing there, and is part of the next difference: the residual of error feedback (compression.h)
// is what separates the values from what the worker holds. So the server keeps that, under the name
// of the answer that made it. Whether an answer has arrived is told by the worker's next call,
// which names what it holds; until then the one before is kept, too. A name that is not known,
// because the worker is new or another server has been here before, is answered with all values.
//
// Costs each worker's copy of the values, two for the time between an answer and the next call.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>

#include "wire/parameters.h"

namespace sluice::server {

class HeldValues {
 public:
  // What the member holds under this name; without values: not known. Nothing from before it is
  // kept any more.
  wire::Payload taken(int64_t member, uint64_t name);
  // The member is answered with what makes these values, under this name.
  void given(int64_t member, uint64_t name, wire::Payload values);

  // Forgets the members that `stays` is false for.
  template <typename Stays>
  void keep(Stays stays) {
    std::erase_if(members_, [&](const auto& one) { return !stays(one.first); });
  }
  size_t members() const { return members_.size(); }

 private:
  struct Held {
    uint64_t name = 0;
    wire::Payload values{};
  };
  struct Member {
    Held taken, given;
  };
  std::map<int64_t, Member> members_;
};

}  // namespace sluice::server
