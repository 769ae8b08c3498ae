#include "transport/grpc/parameter_listener.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "transport/grpc/endpoint.h"
#include "transport/grpc/parameter_methods.h"

namespace sluice::transport {
namespace {

class ParameterListener final : public wire::Listener {
 public:
  explicit ParameterListener(wire::ParameterService* service) : service_(*service) {}
  ~ParameterListener() override;

  Status open(const std::string& address, int threads);
  const std::string& address() const override { return endpoint_.address; }

 private:
  // One call: waits to come in, then for its answer to be sent.
  struct Call {
    explicit Call(const ParameterMethod& m) : method(m) {}
    const ParameterMethod& method;
    ::grpc::ServerContext context;
    ::grpc::ByteBuffer request;
    ::grpc::ServerAsyncResponseWriter<::grpc::ByteBuffer> writer{&context};
    bool answered = false;
  };

  void serve();
  void wait_for_call(const ParameterMethod& method);
  void answer(std::unique_ptr<Call> call);
  Result<::grpc::ByteBuffer> reply_to(Call& call);

  wire::ParameterService& service_;
  RawParameters methods_;
  Endpoint endpoint_;
  std::unique_ptr<::grpc::ServerCompletionQueue> queue_;
  std::vector<std::thread> threads_;

  std::shared_mutex mutex_;  // shared: while something is started on the queue
  bool closed_ = false;      // the queue takes nothing more
};

Status ParameterListener::open(const std::string& address, int threads) {
  SLUICE_ASSIGN_OR_RETURN(endpoint_, open_endpoint(address, [&](::grpc::ServerBuilder& builder) {
                            builder.RegisterService(&methods_);
                            queue_ = builder.AddCompletionQueue();
                          }));
  for (const ParameterMethod& method : parameter_methods()) wait_for_call(method);
  for (int i = 0; i < std::max(threads, 1); ++i) threads_.emplace_back([this] { serve(); });
  return ok_status();
}

// The order matters: no more calls, then those in progress end or are cut off, then the queue. A
// call that was cut off may still be in the service; its answer is dropped.
ParameterListener::~ParameterListener() {
  if (endpoint_.server) {
    endpoint_.server->Shutdown(std::chrono::system_clock::now() + kShutdownGrace);
  }
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  if (queue_) queue_->Shutdown();
  if (threads_.empty() && queue_) serve();  // never opened: only drain it
  for (std::thread& thread : threads_) thread.join();
}

void ParameterListener::serve() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
    std::unique_ptr<Call> call(static_cast<Call*>(tag));
    if (!ok || call->answered) continue;  // shutting down, cut off, or done
    wait_for_call(call->method);
    answer(std::move(call));
  }
}

void ParameterListener::wait_for_call(const ParameterMethod& method) {
  std::shared_lock lock(mutex_);
  if (closed_) return;
  Call* call = std::make_unique<Call>(method).release();  // comes back from the queue
  (methods_.*method.request)(&call->context, &call->request, &call->writer, queue_.get(),
                             queue_.get(), call);
}

void ParameterListener::answer(std::unique_ptr<Call> call) {
  const Result<::grpc::ByteBuffer> reply = reply_to(*call);
  call->request.Clear();
  call->answered = true;
  std::shared_lock lock(mutex_);
  if (closed_) return;
  Call* tag = call.release();  // comes back from the queue when the answer is sent
  if (reply.ok()) {
    tag->writer.Finish(*reply, ::grpc::Status::OK, tag);
  } else {
    tag->writer.FinishWithError(to_grpc(reply.status(), tag->context), tag);
  }
}

Result<::grpc::ByteBuffer> ParameterListener::reply_to(Call& call) {
  try {
    return call.method.handle(service_, call.request);
  } catch (const std::exception& error) {
    return internal_error(error.what());
  }
}

}  // namespace

Result<std::unique_ptr<wire::Listener>> listen_for_parameters(const std::string& address,
                                                              wire::ParameterService* service,
                                                              int threads) {
  auto listener = std::make_unique<ParameterListener>(service);
  SLUICE_RETURN_IF_ERROR(listener->open(address, threads));
  return std::unique_ptr<wire::Listener>(std::move(listener));
}

}  // namespace sluice::transport
