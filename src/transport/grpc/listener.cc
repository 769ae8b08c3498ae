#include "transport/grpc/listener.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>

#include <algorithm>
#include <exception>
#include <latch>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "transport/grpc/acceptor.h"
#include "transport/grpc/call_status.h"
#include "transport/grpc/endpoint.h"
#include "transport/grpc/listening_socket.h"
#include "transport/grpc/operation_queue.h"

namespace sluice::transport {
namespace {

using Buffer = ::grpc::ByteBuffer;

// One call: waits to come in, is with the service, then waits for its answer to be sent.
struct Call {
  explicit Call(size_t m) : method(m) {}
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
                      queue, queue, &call);
  }
};

// The calls that a service has. Answers hold on to it, so it may outlive the listener.
class OpenCalls {
 public:
  explicit OpenCalls(std::unique_ptr<::grpc::ServerCompletionQueue> queue)
      : server_queue_(queue.get()), queue_(std::move(queue)) {}

  OperationQueue& queue() { return queue_; }
  ::grpc::ServerCompletionQueue* server_queue() const { return server_queue_; }

  void add(std::unique_ptr<Call> call) {
    std::lock_guard lock(mutex_);
    const Call* key = call.get();
    calls_.emplace(key, std::move(call));
  }

  // Sends the answer, unless the call has been answered or cut off.
  void answer(const Call* key, const Result<Buffer>& answer) {
    queue_.start([&] {
      std::unique_ptr<Call> call = take(key);
      if (!call) return;
      call->answered = true;
      Call* tag = call.release();  // comes back from the queue when the answer is sent
      if (answer.ok()) {
        tag->writer.Finish(*answer, ::grpc::Status::OK, tag);
      } else {
        tag->writer.FinishWithError(to_grpc(answer.status(), tag->context), tag);
      }
    });
  }

  // Forgets the calls that nobody has answered. The queue has been shut down.
  void clear() {
    std::unordered_map<const Call*, std::unique_ptr<Call>> calls;
    std::lock_guard lock(mutex_);
    calls.swap(calls_);
  }

 private:
  std::unique_ptr<Call> take(const Call* key) {
    std::lock_guard lock(mutex_);
    auto found = calls_.extract(key);
    return found ? std::move(found.mapped()) : nullptr;
  }

  ::grpc::ServerCompletionQueue* const server_queue_;
  OperationQueue queue_;

  std::mutex mutex_;
  std::unordered_map<const Call*, std::unique_ptr<Call>> calls_;
};

class GrpcListener final : public wire::Listener {
 public:
  GrpcListener(ListeningSocket socket, std::vector<Method> methods, int threads)
      : socket_(std::move(socket)),
        methods_(std::move(methods)),
        raw_methods_(methods_),
        threads_wanted_(std::max(threads, 1)),
        no_more_calls_(static_cast<std::ptrdiff_t>(methods_.size())) {}
  ~GrpcListener() override;

  const std::string& address() const override { return socket_.address(); }
  Status serve(size_t max_message_bytes) override;

 private:
  void take_calls();
  void wait_for_call(size_t method);
  void hand_to_service(std::unique_ptr<Call> call);

  const ListeningSocket socket_;
  const std::vector<Method> methods_;
  RawMethods raw_methods_;
  const int threads_wanted_;

  // Since serve().
  std::shared_ptr<OpenCalls> calls_;
  std::unique_ptr<::grpc::Server> server_;
  std::unique_ptr<Acceptor> acceptor_;
  std::vector<std::thread> threads_;
  std::latch no_more_calls_;  // of any method: gRPC has been shut down
};

Status GrpcListener::serve(size_t max_message_bytes) {
  ::grpc::ServerBuilder builder;
  configure(builder, max_message_bytes);
  builder.RegisterService(&raw_methods_);
  calls_ = std::make_shared<OpenCalls>(builder.AddCompletionQueue());
  server_ = builder.BuildAndStart();
  if (!server_) return internal_error(address() + ": gRPC cannot start a server");
  for (size_t method = 0; method < methods_.size(); ++method) wait_for_call(method);
  for (int i = 0; i < threads_wanted_; ++i) threads_.emplace_back([this] { take_calls(); });
  SLUICE_ASSIGN_OR_RETURN(acceptor_, Acceptor::start(socket_, *server_));
  return ok_status();
}

// The order matters: no more calls, then those in progress end or are cut off, then the queue, in
// which gRPC itself asks for the next call after one without a message.
GrpcListener::~GrpcListener() {
  acceptor_.reset();
  if (server_) {
    server_->Shutdown(std::chrono::system_clock::now() + kShutdownGrace);
    if (!threads_.empty()) no_more_calls_.wait();  // else nobody would count
  }
  if (!calls_) return;
  calls_->queue().shut_down();
  if (threads_.empty()) take_calls();  // never started: only empties the queue
  for (std::thread& thread : threads_) thread.join();
  calls_->clear();
}

void GrpcListener::take_calls() {
  void* tag = nullptr;
  bool ok = false;
  while (calls_->queue().next(&tag, &ok)) {
    std::unique_ptr<Call> call(static_cast<Call*>(tag));
    if (call->answered) continue;
    if (!ok) {
      no_more_calls_.count_down();
      continue;
    }
    wait_for_call(call->method);
    hand_to_service(std::move(call));
  }
}

void GrpcListener::wait_for_call(size_t method) {
  calls_->queue().start([&] {
    Call* call = std::make_unique<Call>(method).release();  // comes back from the queue
    raw_methods_.request(*call, calls_->server_queue());
  });
}

void GrpcListener::hand_to_service(std::unique_ptr<Call> call) {
  const Method& method = methods_[call->method];
  const Call* key = call.get();
  Buffer request;
  request.Swap(&call->request);
  calls_->add(std::move(call));
  try {
    method.handle(std::move(request),
                  [calls = calls_, key](Result<Buffer> answer) { calls->answer(key, answer); });
  } catch (const std::exception& error) {
    calls_->answer(key, internal_error(error.what()));
  }
}

}  // namespace

Result<std::unique_ptr<wire::Listener>> listen_for(const std::string& address,
                                                   std::vector<Method> methods,
                                                   const wire::ListenOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(ListeningSocket socket, ListeningSocket::open(address));
  std::unique_ptr<wire::Listener> listener =
      std::make_unique<GrpcListener>(std::move(socket), std::move(methods), options.threads);
  if (options.max_message_bytes != wire::ListenOptions::kNotKnownYet) {
    SLUICE_RETURN_IF_ERROR(listener->serve(options.max_message_bytes));
  }
  return listener;
}

}  // namespace sluice::transport
