#include "memory/leases.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <span>

#include "core/check.h"

namespace sluice::memory {
namespace {

using Shared = std::atomic_ref<uint64_t>;
static_assert(Shared::is_always_lock_free, "two processes have no lock in common");

uint64_t* word_of(std::span<const std::byte> bytes) {
  SLUICE_CHECK(bytes.size() >= sizeof(uint64_t)) << bytes.size();
  // Of a segment that is mapped for reading, it is only read.
  return reinterpret_cast<uint64_t*>(const_cast<std::byte*>(bytes.data()));
}

}  // namespace

OwnWord::OwnWord(std::shared_ptr<const Segment> segment)
    : segment_(std::move(segment)), word_(word_of(segment_->bytes())) {}

void OwnWord::raise(uint64_t value) {
  const Shared word(*word_);
  if (value > word.load(std::memory_order_relaxed)) word.store(value, std::memory_order_release);
}

PeerWord::PeerWord(std::shared_ptr<const PeerSegment> segment)
    : segment_(std::move(segment)), word_(word_of(segment_->bytes())) {}

uint64_t PeerWord::read() {
  return most_ = std::max(most_, Shared(*word_).load(std::memory_order_acquire));
}

bool LeaseTable::hold(uint64_t call, std::shared_ptr<const void> owner) {
  std::lock_guard lock(mutex_);
  if (closed_ || held_.size() >= most_) return false;
  held_.emplace_back(call, std::move(owner));
  return true;
}

template <typename Done>
LeaseTable::Held LeaseTable::take_out(Done done) {
  std::lock_guard lock(mutex_);
  const auto first = std::partition(held_.begin(), held_.end(),
                                    [&](const auto& lease) { return !done(lease.first); });
  Held out(std::make_move_iterator(first), std::make_move_iterator(held_.end()));
  held_.erase(first, held_.end());
  return out;
}

void LeaseTable::release(uint64_t call) {
  take_out([call](uint64_t held) { return held == call; });
}

void LeaseTable::release_up_to(uint64_t call) {
  take_out([call](uint64_t held) { return held <= call; });
}

void LeaseTable::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  take_out([](uint64_t) { return true; });
}

size_t LeaseTable::size() const {
  std::lock_guard lock(mutex_);
  return held_.size();
}

std::optional<uint64_t> CallerLeases::begin(std::shared_ptr<const void> update) {
  release();
  uint64_t call = 0;
  {
    std::lock_guard lock(mutex_);
    call = ++last_;
    open_.insert(call);
  }
  if (update == nullptr || updates_.hold(call, std::move(update))) return call;
  end(call);
  return std::nullopt;
}

void CallerLeases::answered(uint64_t call) {
  updates_.release(call);
  end(call);
}

void CallerLeases::given_up(uint64_t call) { end(call); }

void CallerLeases::release() {
  uint64_t done = 0;
  {
    std::lock_guard lock(mutex_);
    done = server_.read();
  }
  updates_.release_up_to(done);
}

void CallerLeases::end(uint64_t call) {
  std::lock_guard lock(mutex_);
  open_.erase(call);
  own_.raise(open_.empty() ? last_ : *open_.begin() - 1);
}

std::shared_ptr<const void> ServerLeases::claim(uint64_t call) {
  {
    std::lock_guard lock(mutex_);
    const bool ended = call <= worker_.read();
    if (ended || open_.size() >= most_ || !open_.insert(call).second) return nullptr;
  }
  return {this, [self = shared_from_this(), call](const void*) { self->end(call); }};
}

bool ServerLeases::hold(uint64_t call, std::shared_ptr<const void> snapshot) {
  const uint64_t ended = done();
  snapshots_.release_up_to(ended);
  return call > ended && snapshots_.hold(call, std::move(snapshot));
}

void ServerLeases::release() { snapshots_.release_up_to(done()); }

uint64_t ServerLeases::done() {
  std::lock_guard lock(mutex_);
  return worker_.read();
}

// Of calls that were given up and have not come yet, claim() refuses what comes.
void ServerLeases::end(uint64_t call) {
  std::lock_guard lock(mutex_);
  open_.erase(call);
  own_.raise(std::min(worker_.read(), open_.empty() ? UINT64_MAX : *open_.begin() - 1));
}

}  // namespace sluice::memory
