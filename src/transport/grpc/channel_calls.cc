#include "transport/grpc/channel_calls.h"

#include <algorithm>

#include "parameters.pb.h"
#include "transport/grpc/byte_buffers.h"
#include "transport/grpc/endpoint.h"

namespace sluice::transport {

ChannelCalls::ChannelCalls(const char* role, std::string address, size_t max_answer_bytes,
                           std::shared_ptr<OperationQueue> queue)
    : role_(role),
      address_(std::move(address)),
      who_(role_ + (" at " + address_)),
      queue_(std::move(queue)),
      max_answer_bytes_(max_answer_bytes) {}

void ChannelCalls::cut() {
  std::lock_guard lock(mutex_);
  for (const auto& connection : connections_) connection->cut();
}

void ChannelCalls::start(const char* method, const ::grpc::ByteBuffer& request,
                         size_t expected_bytes, const wire::CallOptions& options,
                         core::Reply<Answer> reply, WhenAbsent absent) {
  const Result<AsyncCalls*> calls = connection(expected_bytes);
  if (!calls.ok()) return reply(calls.status());
  (*calls)->start(method, request, options.timeout, std::move(reply), absent);
}

void ChannelCalls::call(const char* method, const google::protobuf::MessageLite& request,
                        const wire::CallOptions& options, core::Reply<Status> reply) {
  call(method, to_buffer(request), options, std::move(reply));
}

void ChannelCalls::call(const char* method, const ::grpc::ByteBuffer& request,
                        const wire::CallOptions& options, core::Reply<Status> reply) {
  start(method, request, 0, options, [who = who_, reply = std::move(reply)](Answer answer) mutable {
    v1::Empty message;
    reply(read(std::move(answer), message, who));
  });
}

::grpc::ByteBuffer ChannelCalls::buffer_of(const google::protobuf::MessageLite& message) {
  return to_buffer(message);
}

Status ChannelCalls::read(Answer answer, google::protobuf::MessageLite& message,
                          const std::string& who) {
  SLUICE_RETURN_IF_ERROR(answer.status());
  if (parse(*answer, message)) return ok_status();
  return data_loss(who + " sent a damaged answer");
}

Result<AsyncCalls*> ChannelCalls::connection(size_t expected_bytes) {
  std::lock_guard lock(mutex_);
  if (connections_.empty() || expected_bytes > max_answer_bytes_) {
    max_answer_bytes_ = std::max(max_answer_bytes_, expected_bytes);
    SLUICE_ASSIGN_OR_RETURN(Peer peer, connect_to(role_, address_, max_answer_bytes_));
    connections_.push_back(std::make_unique<AsyncCalls>(std::move(peer), queue_));
  }
  return connections_.back().get();
}

}  // namespace sluice::transport
