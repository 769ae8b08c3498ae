#include "memory/visit.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/process_info.h"
#include "core/rng.h"
#include "memory/message.h"

namespace sluice::memory {
namespace {

constexpr uint32_t kNobody = 65534;  // as Linux calls those that it cannot name

Status cannot_connect(int error) {
  if (error == EAGAIN) return unavailable("too many are waiting to share memory with the server");
  if (error != ECONNREFUSED) {
    return failed_precondition(
        fmt::format("cannot share memory with the server, which is on this "
                    "host: {}",
                    std::strerror(error)));
  }
  return failed_precondition(
      "cannot share memory with the server, which is on this host but not in this network "
      "namespace, or has ended: two containers can if both have --network host, or one has "
      "--network container:OTHER, or they are of one pod");
}

}  // namespace

Result<std::unique_ptr<Visit>> Visit::knock(const Doorplate& plate, std::shared_ptr<Segments> own,
                                            const Bounds& bounds) {
  if (plate.machine.empty() || plate.machine != core::boot_id()) {
    return failed_precondition("cannot share memory with the server: it is on another host");
  }
  SLUICE_ASSIGN_OR_RETURN(Segment word, Segment::make(kWordSegment));
  core::Descriptor socket = connect_to(plate.name);
  if (!socket.valid()) return cannot_connect(errno);
  if (const auto user = user_of(socket.get()).value_or(kNobody); user != ::geteuid()) {
    return failed_precondition(
        fmt::format("cannot share memory with the server: it runs as user {} and this process as "
                    "{}; run both as the same",
                    user, ::geteuid()));
  }
  std::unique_ptr<Visit> visit(new Visit(std::move(socket), std::move(own), bounds,
                                         std::make_shared<const Segment>(std::move(word))));
  const Message hello{Kind::kHello, plate.key[0], plate.key[1], visit->token_};
  if (!send(visit->socket(), hello, visit->word_->fd())) {
    return unavailable("the server has hung up before it shared memory");
  }
  return visit;
}

Visit::Visit(core::Descriptor socket, std::shared_ptr<Segments> own, const Bounds& bounds,
             std::shared_ptr<const Segment> word)
    : bounds_(bounds),
      token_(core::unique_number()),
      peer_(std::move(socket), std::move(own), bounds),
      word_(std::move(word)) {}

Visit::~Visit() { peer_.hang_up(); }

Status Visit::status() { return shared().status(); }

Result<std::shared_ptr<CallerLeases>> Visit::shared() {
  const Status status = peer_.receive();
  const auto server = peer_.word();
  if (!status.ok()) {
    if (const auto leases = given()) leases->release();
    return unavailable(fmt::format("memory is no longer shared: the server {}", status.message()));
  }
  if (server == nullptr) return unavailable("the server has not answered yet");
  std::lock_guard lock(mutex_);
  if (leases_ == nullptr) {
    leases_ = std::make_shared<CallerLeases>(OwnWord(word_), PeerWord(server), bounds_.leases);
  }
  return leases_;
}

std::optional<Visit::Call> Visit::begin(std::span<const float> update,
                                        std::shared_ptr<const void> owner) {
  const auto leases = shared();
  if (!leases.ok()) return std::nullopt;
  Call call;
  if (!update.empty()) {
    const auto place = peer_.tell(update);
    if (!place) return std::nullopt;
    call.update = *place;
  }
  const auto number = (*leases)->begin(std::move(owner));
  if (!number) return std::nullopt;
  call.number = *number;
  return call;
}

// A server hangs up before it lets go of what it has lent (Guest::leave()).
Status Visit::answered(uint64_t call) {
  Status status = this->status();
  if (const auto leases = given()) leases->answered(call);
  return status;
}

void Visit::given_up(uint64_t call) {
  if (const auto leases = given()) leases->given_up(call);
}

size_t Visit::leases() const {
  const auto leases = given();
  return leases == nullptr ? 0 : leases->size();
}

std::shared_ptr<CallerLeases> Visit::given() const {
  std::lock_guard lock(mutex_);
  return leases_;
}

}  // namespace sluice::memory
