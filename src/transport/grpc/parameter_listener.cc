#include "transport/grpc/parameter_listener.h"

#include <algorithm>
#include <exception>
#include <mutex>
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
  void answer(Call& call);

  wire::ParameterService& service_;
  RawParameters methods_;
  Endpoint endpoint_;
  std::unique_ptr<::grpc::ServerCompletionQueue> queue_;
  std::vector<std::thread> threads_;

  std::mutex mutex_;
  bool closed_ = false;  // the queue takes no more requests
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

// The order matters: no more calls, then those in progress end or are cut off, then the queue.
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
    answer(*call);
    call.release();  // comes back when the answer is sent
  }
}

void ParameterListener::wait_for_call(const ParameterMethod& method) {
  std::lock_guard lock(mutex_);
  if (closed_) return;
  Call* call = std::make_unique<Call>(method).release();
  (methods_.*method.request)(&call->context, &call->request, &call->writer, queue_.get(),
                             queue_.get(), call);
}

void ParameterListener::answer(Call& call) {
  const Result<::grpc::ByteBuffer> reply = [&]() -> Result<::grpc::ByteBuffer> {
    try {
      return call.method.handle(service_, call.request);
    } catch (const std::exception& error) {
      return internal_error(error.what());
    }
  }();
  call.request.Clear();
  call.answered = true;
  if (reply.ok()) {
    call.writer.Finish(*reply, ::grpc::Status::OK, &call);
  } else {
    call.writer.FinishWithError(to_grpc(reply.status(), call.context), &call);
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
