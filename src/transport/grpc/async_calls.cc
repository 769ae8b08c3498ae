#include "transport/grpc/async_calls.h"

#include <mutex>
#include <unordered_set>
#include <utility>

#include "transport/grpc/operation_queue.h"

namespace sluice::transport {

struct AsyncCalls::Call {
  ::grpc::ClientContext context;
  ::grpc::ByteBuffer answer;
  ::grpc::Status status;
  std::unique_ptr<::grpc::ClientAsyncResponseReader<::grpc::ByteBuffer>> reader;
  core::Duration timeout;
  core::Reply<Answer> reply;
  Status cut;  // why we cancelled it, if we did; guarded by Shared::mutex
};

struct AsyncCalls::Shared {
  explicit Shared(Peer p) : peer(std::move(p)), stub(peer.channel) {}

  void cut(const Status& why) {
    std::lock_guard lock(mutex);
    for (Call* call : in_flight) {
      call->cut = why;
      call->context.TryCancel();
    }
  }
  // What a call that has ended is answered with.
  Answer answer_of(Call& call) {
    if (call.status.ok()) return std::move(call.answer);
    const bool cancelled = call.status.error_code() == ::grpc::StatusCode::CANCELLED;
    if (cancelled && !call.cut.ok()) return call.cut;
    return from_grpc(call.status, call.context, peer, call.timeout);
  }

  const Peer peer;
  ::grpc::GenericStub stub;
  OperationQueue queue{std::make_unique<::grpc::CompletionQueue>()};

  std::mutex mutex;
  std::unordered_set<Call*> in_flight;
};

AsyncCalls::AsyncCalls(Peer peer)
    : shared_(std::make_shared<Shared>(std::move(peer))), thread_(complete, shared_) {}

AsyncCalls::~AsyncCalls() {
  shared_->queue.shut_down();
  shared_->cut(cancelled("the channel to " + shared_->peer.address + " closed"));
  // A reply may have held the last reference to the channel: then this is the thread itself.
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

void AsyncCalls::cut() {
  shared_->cut(cancelled("the call to " + shared_->peer.address + " was cut off"));
}

void AsyncCalls::start(const char* method, const ::grpc::ByteBuffer& request,
                       core::Duration timeout, core::Reply<Answer> reply) {
  auto call = std::make_unique<Call>();
  prepare(call->context, timeout);
  call->timeout = timeout;
  call->reply = std::move(reply);
  Shared& shared = *shared_;
  const bool started = shared.queue.start([&] {
    call->reader =
        shared.stub.PrepareUnaryCall(&call->context, method, request, shared.queue.queue());
    {
      std::lock_guard lock(shared.mutex);
      shared.in_flight.insert(call.get());
    }
    call->reader->StartCall();
    Call* tag = call.release();
    tag->reader->Finish(&tag->answer, &tag->status, tag);
  });
  if (!started) call->reply(cancelled("the channel to " + shared.peer.address + " closed"));
}

void AsyncCalls::complete(std::shared_ptr<Shared> shared) {
  void* tag = nullptr;
  bool ok = false;
  while (shared->queue.next(&tag, &ok)) {
    std::unique_ptr<Call> call(static_cast<Call*>(tag));
    {
      std::lock_guard lock(shared->mutex);
      shared->in_flight.erase(call.get());
    }
    Answer answer = shared->answer_of(*call);
    core::Reply<Answer> reply = std::move(call->reply);
    call.reset();  // lets go of the request's payload: gRPC may hold it until now
    reply(std::move(answer));
  }
}

}  // namespace sluice::transport
