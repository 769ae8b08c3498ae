#include "tests/bench/exchange_echo.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <stdexcept>
#include <thread>
#include <vector>

#include "parameters.grpc.pb.h"

namespace sluice::bench {
namespace {

using Service = v1::Parameters::WithRawMethod_Exchange<v1::Parameters::Service>;

class GrpcEchoServer final : public EchoServer {
 public:
  explicit GrpcEchoServer(const std::string& address) : address_(address) {
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(-1);
    int port = 0;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    if (!server_) throw std::runtime_error("cannot listen on " + address);
    if (address.ends_with(":0")) {
      address_ = address.substr(0, address.size() - 1) + std::to_string(port);
    }
    wait_for_call();
    thread_ = std::thread([this] { serve(); });
  }

  ~GrpcEchoServer() override {
    server_->Shutdown(std::chrono::system_clock::now());
    queue_->Shutdown();
    thread_.join();
  }

  const std::string& address() const override { return address_; }

 private:
  struct Call {
    grpc::ServerContext context;
    grpc::ByteBuffer message;
    grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> writer{&context};
    bool answered = false;
  };

  void wait_for_call() {
    Call* call = std::make_unique<Call>().release();
    service_.RequestExchange(&call->context, &call->message, &call->writer, queue_.get(),
                             queue_.get(), call);
  }

  void serve() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_->Next(&tag, &ok)) {
      std::unique_ptr<Call> call(static_cast<Call*>(tag));
      if (!ok || call->answered) continue;
      wait_for_call();
      call->answered = true;
      call->writer.Finish(call->message, grpc::Status::OK, call.get());
      call.release();
    }
  }

  std::string address_;
  Service service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::thread thread_;
};

class GrpcEchoClient final : public EchoClient {
 public:
  explicit GrpcEchoClient(const std::string& address) : stub_(connect(address)) {}

  ~GrpcEchoClient() override {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  void echo(std::span<const std::byte> bytes, int messages) override {
    const auto n = static_cast<size_t>(messages);
    std::vector<std::unique_ptr<Call>> calls;
    for (size_t i = 0; i < n; ++i) {
      const size_t begin = bytes.size() * i / n;
      calls.push_back(start(bytes.subspan(begin, bytes.size() * (i + 1) / n - begin)));
    }
    for (size_t i = 0; i < n; ++i) {
      void* tag = nullptr;
      bool ok = false;
      queue_.Next(&tag, &ok);
      const auto* call = static_cast<const Call*>(tag);
      if (!call->status.ok()) throw std::runtime_error(call->status.error_message());
      if (call->reply.Length() != call->bytes) throw std::runtime_error("short echo");
    }
  }

 private:
  struct Call {
    size_t bytes = 0;
    grpc::ClientContext context;
    grpc::ByteBuffer reply;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
  };

  static std::shared_ptr<grpc::Channel> connect(const std::string& address) {
    grpc::ChannelArguments options;
    options.SetMaxReceiveMessageSize(-1);
    return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), options);
  }

  std::unique_ptr<Call> start(std::span<const std::byte> bytes) {
    auto call = std::make_unique<Call>();
    call->bytes = bytes.size();
    call->context.set_wait_for_ready(true);
    call->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    const grpc::Slice slice(const_cast<std::byte*>(bytes.data()), bytes.size(), [](void*) {});
    call->reader = stub_.PrepareUnaryCall(&call->context, "/sluice.v1.Parameters/Exchange",
                                          grpc::ByteBuffer(&slice, 1), &queue_);
    call->reader->StartCall();
    call->reader->Finish(&call->reply, &call->status, call.get());
    return call;
  }

  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
};

}  // namespace

std::unique_ptr<EchoServer> start_echo_server(const std::string& address) {
  return std::make_unique<GrpcEchoServer>(address);
}

std::unique_ptr<EchoClient> connect_echo(const std::string& address) {
  return std::make_unique<GrpcEchoClient>(address);
}

}  // namespace sluice::bench
