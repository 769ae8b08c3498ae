#include "transport/grpc/listener.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "transport/grpc/acceptor.h"
#include "transport/grpc/call_status.h"
#include "transport/grpc/endpoint.h"
#include "transport/grpc/listening_socket.h"
#include "transport/grpc/operation_queue.h"

namespace sluice::transport {
namespace {

using Buffer = ::grpc::ByteBuffer;

class GrpcListener;
class OpenCalls;

// One call: waits to come in, is with the service, then waits for its answer to be sent.
struct Call final : Operation {
  Call(GrpcListener& l, std::shared_ptr<OpenCalls> c, size_t m)
      : listener(l), calls(std::move(c)), method(m) {}
  void ended(bool ok) override;

  GrpcListener& listener;  // until the call has come in
  const std::shared_ptr<OpenCalls> calls;
  const size_t method;
  ::grpc::ServerContext context;
  Buffer request;
  ::grpc::ServerAsyncResponseWriter<Buffer> writer{&context};
  bool answered = false;
};

// The methods as gRPC wants them. What a generated service's WithRawMethod_... does, by a table.
class RawMethods final : public ::grpc::Service {
 public:
  explicit RawMethods(const std::vector<Method>& methods) {
    using ::grpc::internal::RpcServiceMethod;
    int index = 0;
    for (const Method& method : methods) {
      auto raw =
          std::make_unique<RpcServiceMethod>(method.name, RpcServiceMethod::NORMAL_RPC, nullptr);
      AddMethod(raw.release());  // which owns it
      MarkMethodRaw(index++);
    }
  }

  // Asks for the next call of a method.
  void request(Call& call, ::grpc::ServerCompletionQueue* queue) {
    RequestAsyncUnary(static_cast<int>(call.method), &call.context, &call.request, &call.writer,
                      queue, queue, static_cast<Operation*>(&call));
  }
};

// A server waits on its queue for calls of methods that nobody has, until the queue has ended.
struct Serving {
  explicit Serving(const std::vector<Method>& methods) : raw_methods(methods) {}
  RawMethods raw_methods;
  std::unique_ptr<::grpc::Server> server;
};

// The calls that a service has. Answers hold on to it, so it may outlive the listener.
class OpenCalls {
 public:
  explicit OpenCalls(std::shared_ptr<OperationQueue> queue) : queue_(std::move(queue)) {}

  // What gRPC does for the server that listens, and what follows from it.
  void begin_operation() {
    std::lock_guard lock(mutex_);
    ++operations_;
  }
  void end_operation() {
    std::lock_guard lock(mutex_);
    if (--operations_ == 0) no_operations_.notify_all();
  }

  void add(std::unique_ptr<Call> call) {
    std::lock_guard lock(mutex_);
    const Call* key = call.get();
    calls_.emplace(key, std::move(call));
  }

  // Sends the answer, unless the call has been answered or cut off.
  void answer(const Call* key, const Result<Buffer>& answer) {
    const std::shared_lock lock(gate_);
    std::unique_ptr<Call> call = closed_ ? nullptr : take(key);
    if (!call) return;
    call->answered = true;
    begin_operation();
    queue_->start([&] {
      Call* tag = call.release();  // comes back from the queue when the answer is sent
      if (answer.ok()) {
        tag->writer.Finish(*answer, ::grpc::Status::OK, static_cast<Operation*>(tag));
      } else {
        tag->writer.FinishWithError(to_grpc(answer.status(), tag->context),
                                    static_cast<Operation*>(tag));
      }
    });
  }

  // gRPC has been told to take no more calls. Returns when none can come any more and every answer
  // has been sent; calls that nobody has answered are forgotten.
  void close() {
    {
      const std::lock_guard no_more_answers(gate_);
      closed_ = true;
    }
    std::unordered_map<const Call*, std::unique_ptr<Call>> unanswered;
    std::unique_lock lock(mutex_);
    no_operations_.wait(lock, [this] { return operations_ == 0; });
    unanswered.swap(calls_);
  }

 private:
  std::unique_ptr<Call> take(const Call* key) {
    std::lock_guard lock(mutex_);
    auto found = calls_.extract(key);
    return found ? std::move(found.mapped()) : nullptr;
  }

  const std::shared_ptr<OperationQueue> queue_;

  std::shared_mutex gate_;  // shared: while an answer is handed to gRPC
  bool closed_ = false;     // guarded by gate_

  std::mutex mutex_;
  std::condition_variable no_operations_;
  int operations_ = 0;  // under way
  std::unordered_map<const Call*, std::unique_ptr<Call>> calls_;
};

class GrpcListener final : public wire::Listener {
 public:
  GrpcListener(ListeningSocket socket, std::vector<Method> methods,
               const wire::ListenOptions& options)
      : socket_(std::move(socket)),
        on_full_(options.on_full),
        methods_(std::move(methods)),
        serving_(std::make_shared<Serving>(methods_)),
        server_queue_(builder_.AddCompletionQueue().release()),
        queue_(std::make_shared<OperationQueue>(
            std::unique_ptr<::grpc::CompletionQueue>(server_queue_), std::max(options.threads, 1))),
        calls_(std::make_shared<OpenCalls>(queue_)) {}
  ~GrpcListener() override;

  const std::string& address() const override { return socket_.address(); }
  std::string description() const override { return socket_.description(); }
  Status serve(size_t max_message_bytes) override;

  const std::shared_ptr<OperationQueue>& queue() const { return queue_; }
  // One that was waited for.
  void call_has_come(std::unique_ptr<Call> call);

 private:
  void wait_for_call(size_t method);
  void hand_to_service(std::unique_ptr<Call> call);

  const ListeningSocket socket_;
  const std::function<void(const std::string&)> on_full_;
  const std::vector<Method> methods_;
  const std::shared_ptr<Serving> serving_;
  ::grpc::ServerBuilder builder_;
  ::grpc::ServerCompletionQueue* const server_queue_;
  const std::shared_ptr<OperationQueue> queue_;
  const std::shared_ptr<OpenCalls> calls_;
  std::unique_ptr<Acceptor> acceptor_;  // since serve()
};

Status GrpcListener::serve(size_t max_message_bytes) {
  configure(builder_, max_message_bytes);
  builder_.RegisterService(&serving_->raw_methods);
  queue_->keep(serving_);
  serving_->server = builder_.BuildAndStart();
  if (!serving_->server) return internal_error(address() + ": gRPC cannot start a server");
  for (size_t method = 0; method < methods_.size(); ++method) wait_for_call(method);
  SLUICE_ASSIGN_OR_RETURN(acceptor_, Acceptor::start(socket_, *serving_->server, on_full_));
  return ok_status();
}

// The order matters: no more calls, then those in progress end or are cut off.
GrpcListener::~GrpcListener() {
  acceptor_.reset();
  if (!serving_->server) return;
  serving_->server->Shutdown(std::chrono::system_clock::now() + kShutdownGrace);
  calls_->close();
}

void Call::ended(bool ok) {
  const std::shared_ptr<OpenCalls> open = calls;
  std::unique_ptr<Call> self(this);
  if (ok && !answered) listener.call_has_come(std::move(self));
  self.reset();
  open->end_operation();  // now the listener may go
}

void GrpcListener::call_has_come(std::unique_ptr<Call> call) {
  wait_for_call(call->method);
  hand_to_service(std::move(call));
}

void GrpcListener::wait_for_call(size_t method) {
  calls_->begin_operation();
  queue_->start([&] {
    Call* call =
        std::make_unique<Call>(*this, calls_, method).release();  // comes back from the queue
    serving_->raw_methods.request(*call, server_queue_);
  });
}

void GrpcListener::hand_to_service(std::unique_ptr<Call> call) {
  const Method& method = methods_[call->method];
  const Call* key = call.get();
  const ::grpc::ServerContext& context = call->context;
  Buffer request;
  request.Swap(&call->request);
  calls_->add(std::move(call));
  try {
    method.handle(std::move(request), context,
                  [calls = calls_, key](Result<Buffer> answer) { calls->answer(key, answer); });
  } catch (const std::exception& error) {
    calls_->answer(key, internal_error(error.what()));
  }
}

}  // namespace

Result<Listening> listen_for(const std::string& address, std::vector<Method> methods,
                             const wire::ListenOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(ListeningSocket socket, ListeningSocket::open(address));
  auto listener = std::make_unique<GrpcListener>(std::move(socket), std::move(methods), options);
  if (options.max_message_bytes != wire::ListenOptions::kNotKnownYet) {
    SLUICE_RETURN_IF_ERROR(listener->serve(options.max_message_bytes));
  }
  auto queue = listener->queue();
  return Listening{std::move(listener), std::move(queue)};
}

}  // namespace sluice::transport
