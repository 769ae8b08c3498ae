#include "transport/grpc/async_calls.h"

#include <fmt/core.h>

#include <condition_variable>
#include <mutex>
#include <unordered_set>
#include <utility>

namespace sluice::transport {

// One call. Owns itself from its start to its end.
struct AsyncCalls::Call final : Operation {
  void ended(bool ok) override;

  std::shared_ptr<Open> open;
  ::grpc::ClientContext context;
  ::grpc::ByteBuffer answer;
  ::grpc::Status status;
  std::unique_ptr<::grpc::ClientAsyncResponseReader<::grpc::ByteBuffer>> reader;
  core::Duration timeout{};
  core::Reply<Answer> reply;
  Status cut;  // why we cancelled it, if we did; guarded by Open's mutex
};

// The calls that have not ended.
class AsyncCalls::Open {
 public:
  explicit Open(Peer peer) : peer_(std::move(peer)), stub_(peer_.channel) {}

  const std::string& address() const { return peer_.address; }

  // Answers the call at once when the channel has closed.
  void start(std::unique_ptr<Call> call, const char* method, const ::grpc::ByteBuffer& request,
             ::grpc::CompletionQueue* queue) {
    if (!admit(*call)) return call->reply(closed());
    Call* tag = call.release();  // comes back from the queue
    // From here on it must start: one that was only prepared would keep the request for good.
    tag->reader = stub_.PrepareUnaryCall(&tag->context, method, request, queue);
    tag->reader->StartCall();
    tag->reader->Finish(&tag->answer, &tag->status, static_cast<Operation*>(tag));
  }

  void cut(const Status& why) {
    std::lock_guard lock(mutex_);
    for (Call* call : in_flight_) {
      call->cut = why;
      call->context.TryCancel();
    }
  }
  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    cut(closed());
  }
  void wait_until_all_are_answered() {
    std::unique_lock lock(mutex_);
    all_answered_.wait(lock, [this] { return unanswered_ == 0; });
  }

  // What a call that has ended is answered with.
  Answer end(Call& call) {
    {
      std::lock_guard lock(mutex_);
      in_flight_.erase(&call);
    }
    if (call.status.ok()) return std::move(call.answer);
    const bool cancelled = call.status.error_code() == ::grpc::StatusCode::CANCELLED;
    if (cancelled && !call.cut.ok()) return call.cut;
    return from_grpc(call.status, call.context, peer_, call.timeout);
  }
  void answered() {
    std::lock_guard lock(mutex_);
    if (--unanswered_ == 0) all_answered_.notify_all();
  }

 private:
  bool admit(Call& call) {
    std::lock_guard lock(mutex_);
    if (closed_) return false;
    ++unanswered_;
    return in_flight_.insert(&call).second;
  }
  Status closed() const {
    return cancelled(fmt::format("the channel to {} closed", peer_.address));
  }

  const Peer peer_;
  ::grpc::GenericStub stub_;

  std::mutex mutex_;
  std::condition_variable all_answered_;
  std::unordered_set<Call*> in_flight_;
  int unanswered_ = 0;  // and those whose reply is being called
  bool closed_ = false;
};

void AsyncCalls::Call::ended(bool /*ok*/) {
  std::unique_ptr<Call> self(this);
  const std::shared_ptr<Open> calls = std::move(open);
  Answer given = calls->end(*this);
  core::Reply<Answer> to = std::move(reply);
  self.reset();  // lets go of the request's payload: gRPC may hold it until now
  to(std::move(given));
  calls->answered();
}

AsyncCalls::AsyncCalls(Peer peer, std::shared_ptr<OperationQueue> queue)
    : queue_(std::move(queue)), open_(std::make_shared<Open>(std::move(peer))) {}

AsyncCalls::~AsyncCalls() {
  open_->close();
  // A reply may have held the last reference to the channel: the calls cannot end before it does.
  if (!queue_->is_on_its_thread()) open_->wait_until_all_are_answered();
}

void AsyncCalls::cut() {
  open_->cut(cancelled(fmt::format("the call to {} was cut off", open_->address())));
}

void AsyncCalls::start(const char* method, const ::grpc::ByteBuffer& request,
                       core::Duration timeout, core::Reply<Answer> reply, WhenAbsent absent) {
  auto call = std::make_unique<Call>();
  call->open = open_;
  prepare(call->context, timeout);
  if (absent == WhenAbsent::kFail) call->context.set_wait_for_ready(false);
  call->timeout = timeout;
  call->reply = std::move(reply);
  queue_->start([&] { open_->start(std::move(call), method, request, queue_->queue()); });
}

}  // namespace sluice::transport
