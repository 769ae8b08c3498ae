#include "transport/grpc/shared_memory.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/log.h"
#include "core/process_info.h"

namespace sluice::transport {
namespace {

constexpr size_t kPage = 4096;

memory::Place from_proto(const v1::Place& place) {
  return {place.segment(), place.offset(), place.bytes()};
}

void write(const memory::Place& place, v1::Place& message) {
  message.set_segment(place.segment);
  message.set_offset(place.offset);
  message.set_bytes(place.bytes);
}

}  // namespace

// --- What this process can share ---

wire::BufferSource SharedMemory::buffers() {
  if (!shares_) return {};
  return {[self = shared_from_this()](size_t floats) { return self->make(floats); },
          [self = shared_from_this()] { self->reclaim(); }};
}

std::unique_ptr<core::AlignedBuffer> SharedMemory::make(size_t floats) {
  std::lock_guard lock(mutex_);
  Result<core::AlignedBuffer> buffer = cut(floats);
  if (buffer.ok()) return std::make_unique<core::AlignedBuffer>(*std::move(buffer));
  if (!std::exchange(told_, true)) {
    SLUICE_LOG(info, "no memory is shared with other processes: {}", buffer.status().message());
  }
  return wire::BufferSource().make(floats);
}

// A segment takes a descriptor for as long as one of its buffers lives, and a large model has
// hundreds of buffers. So the next segment has room for a quarter of what there is already, and
// there are few of them. With the lock.
Result<core::AlignedBuffer> SharedMemory::cut(size_t floats) {
  const size_t bytes = (floats * sizeof(float) + kPage - 1) / kPage * kPage;
  if (open_ == nullptr || open_->bytes().size() - used_ < bytes) {
    SLUICE_ASSIGN_OR_RETURN(auto segment,
                            segments_->make(std::max({bytes, made_ / 4 / kPage * kPage, kPage})));
    made_ += segment->bytes().size();
    open_ = std::move(segment);
    used_ = 0;
  }
  auto* data = reinterpret_cast<float*>(open_->bytes().data() + used_);
  used_ += bytes;
  return core::AlignedBuffer::over({data, floats}, open_);
}

void SharedMemory::reclaim() {
  std::shared_ptr<memory::Door> door;
  {
    std::lock_guard lock(mutex_);
    if (door_ && door_->ok()) door = **door_;
  }
  if (door) door->release();
}

Result<std::shared_ptr<memory::Door>> SharedMemory::door() {
  std::lock_guard lock(mutex_);
  if (!shares_) return failed_precondition("the server shares no memory");
  if (!door_) {
    auto opened = memory::Door::open(segments_, {});
    if (opened.ok()) {
      door_ = std::shared_ptr<memory::Door>(*std::move(opened));
    } else {
      SLUICE_LOG(info, "no memory is shared with workers: {}", opened.status().message());
      door_ = opened.status();
    }
  }
  return *door_;
}

std::shared_ptr<SharedServer> SharedMemory::server(const std::string& address) {
  std::lock_guard lock(mutex_);
  std::shared_ptr<SharedServer>& server = servers_[address];
  if (!server) server = std::make_shared<SharedServer>(shares_ ? segments_ : nullptr, address);
  return server;
}

// --- A server's side ---

Result<SharedCaller> SharedCaller::find(const v1::SharedCall& call, memory::Door* door) {
  SharedCaller caller;
  if (door != nullptr) caller.guest_ = door->find(call.token());
  if (!caller.guest_) return unavailable("memory is not shared with this caller any more");
  caller.call_ = call.call();
  return caller;
}

Result<wire::ReceivedPayload> SharedCaller::payload(const v1::SharedCall& call) const {
  wire::ReceivedPayload payload;
  if (!call.has_payload()) return payload;
  SLUICE_ASSIGN_OR_RETURN(memory::Floats floats, guest_->update(call_, from_proto(call.payload())));
  payload.pieces.push_back(std::as_bytes(floats.values));
  payload.owner = std::move(floats.owner);
  return payload;
}

bool SharedCaller::lend(const std::vector<wire::Payload>& values, v1::ValuesHeader& header) const {
  if (!guest_) return false;
  for (const wire::Payload& payload : values) {
    const auto place = guest_->lend(call_, payload.values, payload.owner);
    if (!place) {
      header.clear_places();
      return false;
    }
    write(*place, *header.add_places());
  }
  return true;
}

v1::DoorReply door_reply(const Result<std::shared_ptr<memory::Door>>& door) {
  v1::DoorReply reply;
  reply.set_machine(core::boot_id());
  if (!door.ok()) {
    reply.set_why_not(door.status().message());
    return reply;
  }
  const memory::Doorplate& plate = (*door)->plate();
  reply.set_name(plate.name);
  reply.set_key(plate.key[0]);
  reply.set_key_2(plate.key[1]);
  return reply;
}

// --- A caller's side ---

bool SharedServer::must_ask() {
  std::lock_guard lock(mutex_);
  return !std::exchange(asked_, true);
}

void SharedServer::told(const Result<v1::DoorReply>& reply) {
  std::lock_guard lock(mutex_);
  if (!reply.ok()) {
    asked_ = false;  // the next call asks again
    why_not_ = reply.status();
    return;
  }
  one_host_ = reply->machine() == core::boot_id();
  if (reply->name().empty()) {
    why_not_ = failed_precondition("the server says: " + reply->why_not());
  } else {
    auto visit = memory::Visit::knock(
        {reply->machine(), reply->name(), {reply->key(), reply->key_2()}}, own_, {});
    why_not_ = visit.status();
    if (visit.ok()) visit_ = *std::move(visit);
  }
  if (!visit_) SLUICE_LOG(debug, "server at {}: {}", address_, why_not_.message());
}

memory::Visit* SharedServer::visit() {
  std::lock_guard lock(mutex_);
  return visit_.get();
}

bool SharedServer::shares() {
  memory::Visit* const its = visit();
  return its != nullptr && its->status().ok();
}

wire::Path SharedServer::path() {
  std::lock_guard lock(mutex_);
  const Status status = visit_ ? visit_->status() : why_not_;
  if (status.ok()) return {wire::Path::Way::kSharedMemory, ""};
  const bool is_file = address_.starts_with("unix:");
  return {is_file ? wire::Path::Way::kUnixSocket : wire::Path::Way::kTcp,
          one_host_ ? status.message() : ""};
}

SharedServer::Call SharedServer::begin(const wire::Bytes& update, v1::SharedCall& shared) {
  Call call;
  memory::Visit* const its = visit();
  if (its == nullptr) return call;
  const auto begun = its->begin(update.floats(), update.owner);
  if (!begun) return call;
  call.visit_ = its;
  call.number_ = begun->number;
  shared.set_token(its->token());
  shared.set_call(begun->number);
  if (!update.bytes.empty()) write(begun->update, *shared.mutable_payload());
  return call;
}

Status SharedServer::Call::take(const v1::ValuesHeader& header, std::span<float> into) {
  const auto wrong = [](const std::string& what) { return data_loss("shared memory: " + what); };
  for (const v1::Place& place : header.places()) {
    const auto values = visit_->values_at(from_proto(place));
    if (!values.ok()) return wrong(values.status().message());
    if (values->values.size() > into.size()) return wrong("more values than were expected");
    std::memcpy(into.data(), values->values.data(), values->values.size_bytes());
    into = into.subspan(values->values.size());
  }
  if (!into.empty()) return wrong(fmt::format("{} values are missing", into.size()));
  const uint64_t number = std::exchange(number_, 0);
  return visit_->answered(number);
}

void SharedServer::Call::answered() {
  if (number_ != 0) (void)visit_->answered(std::exchange(number_, 0));
}

void SharedServer::Call::give_up() {
  if (number_ != 0) visit_->given_up(std::exchange(number_, 0));
}

}  // namespace sluice::transport
