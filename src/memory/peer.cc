#include "memory/peer.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <utility>

namespace sluice::memory {
namespace {
// More than a socket holds, so that nobody who sends on and on keeps a thread.
constexpr int kMostAtOnce = 1024;
}  // namespace

Result<std::shared_ptr<const PeerSegment>> map_word(Received& received) {
  return PeerSegment::map(std::move(received.fd), kWordSegment, kWordSegment);
}

std::optional<Place> Peer::tell(std::span<const float> values) {
  const auto found = own_->find(std::as_bytes(values));
  std::lock_guard lock(mutex_);
  if (!found || !end_.ok()) return std::nullopt;
  tell_gone();
  if (!told_.contains(found->place.segment) && !tell_segment(*found)) return std::nullopt;
  return found->place;
}

bool Peer::tell_segment(const Segments::Found& found) {
  const uint64_t bytes = found.segment->bytes().size();
  const uint64_t number = found.place.segment;
  if (told_.size() >= bounds_.segments || bytes > bounds_.bytes - told_bytes_) return false;
  if (!send(socket_.get(), {Kind::kSegment, number, bytes}, found.segment->fd())) return false;
  told_[number] = bytes;
  told_bytes_ += bytes;
  return true;
}

// So that the other lets go of them too. What cannot be sent now, is next time.
void Peer::tell_gone() {
  const uint64_t ended = own_->ended();
  if (ended == seen_ended_) return;
  for (auto it = told_.begin(); it != told_.end();) {
    if (own_->has(it->first)) {
      ++it;
      continue;
    }
    if (!send(socket_.get(), {Kind::kGone, it->first})) return;
    told_bytes_ -= it->second;
    it = told_.erase(it);
  }
  seen_ended_ = ended;
}

Result<Floats> Peer::floats_at(const Place& place) {
  std::lock_guard lock(mutex_);
  auto it = segments_.find(place.segment);
  if (it == segments_.end()) {
    SLUICE_RETURN_IF_ERROR(receive_all());
    it = segments_.find(place.segment);
  }
  if (it == segments_.end()) {
    return invalid_argument(fmt::format("no segment {} has been told", place.segment));
  }
  SLUICE_ASSIGN_OR_RETURN(const auto bytes,
                          it->second->view(place.offset, place.bytes, alignof(float)));
  if (bytes.size() % sizeof(float) != 0) {
    return invalid_argument(fmt::format("{} bytes are no floats", bytes.size()));
  }
  return Floats{{reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)},
                it->second};
}

Status Peer::receive() {
  std::lock_guard lock(mutex_);
  return receive_all();
}

Status Peer::receive_all() {
  for (int i = 0; i < kMostAtOnce && end_.ok(); ++i) {
    auto received = memory::receive(socket_.get());
    if (received.ok() && !*received) break;
    const Status status = received.ok() ? take(**std::move(received)) : received.status();
    if (!status.ok()) end(status);
  }
  return end_;
}

Status Peer::take(Received received) {
  const auto& [kind, number, bytes, unused] = received.message;
  switch (kind) {
    case Kind::kWelcome: {
      if (word_ != nullptr) break;
      SLUICE_ASSIGN_OR_RETURN(word_, map_word(received));
      return ok_status();
    }
    case Kind::kSegment: {
      if (segments_.size() >= bounds_.segments || segments_.contains(number)) break;
      SLUICE_ASSIGN_OR_RETURN(auto segment, PeerSegment::map(std::move(received.fd), bytes,
                                                             bounds_.bytes - segment_bytes_));
      segments_[number] = std::move(segment);
      segment_bytes_ += bytes;
      return ok_status();
    }
    case Kind::kGone: {
      const auto it = segments_.find(number);
      if (it == segments_.end()) break;
      segment_bytes_ -= it->second->bytes().size();
      segments_.erase(it);
      return ok_status();
    }
    case Kind::kHello:
      break;
  }
  return invalid_argument(fmt::format("message {:#x} of segment {}, which it may not send now",
                                      static_cast<uint64_t>(kind), number));
}

void Peer::hang_up() {
  std::lock_guard lock(mutex_);
  end(cancelled("has been hung up on"));
}

// The other side sees it at once, although others may still hold this object.
void Peer::end(Status why) {
  if (!end_.ok()) return;
  end_ = std::move(why);
  ::shutdown(socket_.get(), SHUT_RDWR);
  segments_.clear();  // but those that are being read
}

std::shared_ptr<const PeerSegment> Peer::word() const {
  std::lock_guard lock(mutex_);
  return word_;
}

}  // namespace sluice::memory
