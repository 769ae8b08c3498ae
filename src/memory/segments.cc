#include "memory/segments.h"

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace sluice::memory {

struct Segments::State {
  struct Entry {
    uint64_t number = 0;
    const Segment* segment = nullptr;
  };

  void remove(const Segment* segment) {
    std::lock_guard lock(mutex);
    const auto entry = by_address.find(segment->bytes().data());
    numbers.erase(entry->second.number);
    by_address.erase(entry);
    ++ended;
  }

  std::mutex mutex;
  uint64_t last = 0;
  uint64_t ended = 0;
  std::set<uint64_t> numbers;
  std::map<const std::byte*, Entry, std::less<>> by_address;
};

Segments::Segments() : state_(std::make_shared<State>()) {}

Result<std::shared_ptr<Segment>> Segments::make(size_t bytes) {
  SLUICE_ASSIGN_OR_RETURN(Segment made, Segment::make(bytes));
  std::shared_ptr<Segment> segment(new Segment(std::move(made)), [state = state_](Segment* gone) {
    state->remove(gone);
    delete gone;
  });
  std::lock_guard lock(state_->mutex);
  state_->numbers.insert(++state_->last);
  state_->by_address[segment->bytes().data()] = {state_->last, segment.get()};
  return segment;
}

std::optional<Segments::Found> Segments::find(std::span<const std::byte> bytes) const {
  std::lock_guard lock(state_->mutex);
  auto next = state_->by_address.upper_bound(bytes.data());
  if (next == state_->by_address.begin()) return std::nullopt;
  const auto& [begin, entry] = *std::prev(next);
  const auto offset = static_cast<size_t>(bytes.data() - begin);
  const size_t size = entry.segment->bytes().size();
  if (offset >= size || bytes.size() > size - offset) return std::nullopt;
  return Found{{entry.number, offset, bytes.size()}, entry.segment};
}

bool Segments::has(uint64_t segment) const {
  std::lock_guard lock(state_->mutex);
  return state_->numbers.contains(segment);
}

uint64_t Segments::ended() const {
  std::lock_guard lock(state_->mutex);
  return state_->ended;
}

}  // namespace sluice::memory
