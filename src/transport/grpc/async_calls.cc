#include "transport/grpc/async_calls.h"

#include <grpcpp/completion_queue.h>

#include <mutex>
#include <unordered_set>
#include <utility>

namespace sluice::transport {

struct AsyncCalls::Call {
  ::grpc::ClientContext context;
  ::grpc::ByteBuffer reply;
  ::grpc::Status status;
  std::unique_ptr<::grpc::ClientAsyncResponseReader<::grpc::ByteBuffer>> reader;
  core::Duration timeout;
  std::function<void(Reply)> done;
};

struct AsyncCalls::Shared {
  explicit Shared(Peer p) : peer(std::move(p)), stub(peer.channel) {}

  const Peer peer;
  ::grpc::GenericStub stub;
  ::grpc::CompletionQueue queue;

  std::mutex mutex;
  std::unordered_set<Call*> in_flight;
  bool closing = false;  // what is in flight has been cancelled by us
};

AsyncCalls::AsyncCalls(Peer peer)
    : shared_(std::make_shared<Shared>(std::move(peer))), thread_(complete, shared_) {}

AsyncCalls::~AsyncCalls() {
  {
    std::lock_guard lock(shared_->mutex);
    shared_->closing = true;
    for (Call* call : shared_->in_flight) call->context.TryCancel();
  }
  shared_->queue.Shutdown();
  // A `done` may have held the last reference to the channel: then this is the thread itself.
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

void AsyncCalls::start(const char* method, const ::grpc::ByteBuffer& request,
                       core::Duration timeout, std::function<void(Reply)> done) {
  auto call = std::make_unique<Call>();
  prepare(call->context, timeout);
  call->timeout = timeout;
  call->done = std::move(done);
  call->reader = shared_->stub.PrepareUnaryCall(&call->context, method, request, &shared_->queue);
  {
    std::lock_guard lock(shared_->mutex);
    shared_->in_flight.insert(call.get());
  }
  call->reader->StartCall();
  Call* tag = call.release();
  tag->reader->Finish(&tag->reply, &tag->status, tag);
}

void AsyncCalls::complete(std::shared_ptr<Shared> shared) {
  void* tag = nullptr;
  bool ok = false;
  while (shared->queue.Next(&tag, &ok)) {
    std::unique_ptr<Call> call(static_cast<Call*>(tag));
    bool cancelled = false;
    {
      std::lock_guard lock(shared->mutex);
      shared->in_flight.erase(call.get());
      cancelled = shared->closing && call->status.error_code() == ::grpc::StatusCode::CANCELLED;
    }
    Reply reply = [&]() -> Reply {
      if (call->status.ok()) return std::move(call->reply);
      if (cancelled) return sluice::cancelled("the channel to " + shared->peer.address + " closed");
      return from_grpc(call->status, call->context, shared->peer, call->timeout);
    }();
    const std::function<void(Reply)> done = std::move(call->done);
    call.reset();  // lets go of the request's payload: gRPC may hold it until now
    done(std::move(reply));
  }
}

}  // namespace sluice::transport
