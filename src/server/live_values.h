// The values of a shard that pushes change where they lie, several at once: lock-free as Hogwild
// means it (Recht et al., 2011, arXiv:1106.5730), but without its data races.
//
// There is no order between blocks: who reads while others push sees some blocks with a push and
// some without it. Each block is whole, and no push is lost: one push at a time changes a block,
// and waits for nobody anywhere else. Thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>

#include "core/aligned_buffer.h"
#include "server/payload_reader.h"
#include "sluice/algorithm/update_rule.h"

namespace sluice::server {

class LiveValues {
 public:
  static constexpr size_t kBlock = compression::kBlock;  // floats; see shard_values.cc

  LiveValues(size_t size, const wire::ReceivedPayload& values);

  // Lets the rule, which keeps nothing of its own, step block after block.
  void apply(algorithm::UpdateRule& rule, const wire::ReceivedPayload& update,
             const algorithm::PushContext& context);
  void copy_to(std::span<float> values) const;

 private:
  template <typename F>
  void for_each_block(F f) const;

  const size_t size_;
  core::AlignedBuffer values_;
  const std::unique_ptr<std::mutex[]> locks_;  // one to a block
};

}  // namespace sluice::server
