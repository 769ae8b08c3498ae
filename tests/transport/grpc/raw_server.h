// A gRPC server that takes every call as bytes, and answers as the test says.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "transport/grpc/acceptor.h"
#include "transport/grpc/endpoint.h"
#include "transport/grpc/listening_socket.h"
#include "transport/grpc/operation_queue.h"
#include "wire/transport.h"

namespace sluice::transport {

inline ::grpc::ByteBuffer buffer_of(const std::string& bytes) {
  const ::grpc::Slice slice(bytes);
  return {&slice, 1};
}

inline std::string bytes_of(const ::grpc::ByteBuffer& buffer) {
  std::vector<::grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const ::grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

class RawServer final {
 public:
  // A call whose request has come. Lives until its answer was sent, or as long as the server.
  class Call final : private Operation {
   public:
    const std::string& request() const { return request_; }
    ::grpc::GenericServerContext& context() { return context_; }

    void answer(const std::string& bytes) {
      state_ = kAnswered;
      queue_.start(
          [&] { stream_.WriteAndFinish(buffer_of(bytes), {}, ::grpc::Status::OK, tag()); });
    }
    void fail(const ::grpc::Status& status) {
      state_ = kAnswered;
      queue_.start([&] { stream_.Finish(status, tag()); });
    }

   private:
    friend class RawServer;
    Call(RawServer& server, OperationQueue& queue) : server_(server), queue_(queue) {}
    void ended(bool ok) override { server_.ended(*this, ok); }
    Operation* tag() { return this; }

    RawServer& server_;
    OperationQueue& queue_;
    ::grpc::GenericServerContext context_;
    ::grpc::GenericServerAsyncReaderWriter stream_{&context_};
    ::grpc::ByteBuffer buffer_;
    std::string request_;
    enum { kAwaited, kReading, kAnswered } state_ = kAwaited;
  };

  // `handler` runs on the server's thread; it answers the call or keeps it for later.
  explicit RawServer(std::function<void(Call&)> handler)
      : handler_(std::move(handler)), socket_(*ListeningSocket::open("127.0.0.1:0")) {
    ::grpc::ServerBuilder builder;
    configure(builder, wire::ListenOptions::kAnySize);
    builder.RegisterAsyncGenericService(&service_);
    auto queue = builder.AddCompletionQueue();
    server_queue_ = queue.get();
    server_ = builder.BuildAndStart();
    queue_.emplace(std::move(queue));
    wait_for_call();
    acceptor_ = *Acceptor::start(socket_, *server_, {});
  }
  ~RawServer() {
    acceptor_.reset();
    server_->Shutdown(std::chrono::system_clock::now());
    queue_.reset();
  }

  const std::string& address() const { return socket_.address(); }
  Peer peer(const char* role, size_t max_answer_bytes = wire::ListenOptions::kAnySize) const {
    return *connect_to(role, address(), max_answer_bytes);
  }

 private:
  void wait_for_call() {
    auto owned = std::unique_ptr<Call>(new Call(*this, *queue_));
    Call* call = owned.get();
    calls_.emplace(call, std::move(owned));
    queue_->start([&] {
      service_.RequestCall(&call->context_, &call->stream_, server_queue_, server_queue_,
                           call->tag());
    });
  }

  // On the queue's thread.
  void ended(Call& call, bool ok) {
    if (!ok || call.state_ == Call::kAnswered) {
      calls_.erase(&call);
    } else if (call.state_ == Call::kAwaited) {
      wait_for_call();
      call.state_ = Call::kReading;
      queue_->start([&] { call.stream_.Read(&call.buffer_, call.tag()); });
    } else {
      call.request_ = bytes_of(call.buffer_);
      handler_(call);
    }
  }

  const std::function<void(Call&)> handler_;
  const ListeningSocket socket_;
  ::grpc::AsyncGenericService service_;
  ::grpc::ServerCompletionQueue* server_queue_ = nullptr;
  std::unordered_map<Call*, std::unique_ptr<Call>> calls_;  // the thread's own, once it runs
  std::optional<OperationQueue> queue_;
  std::unique_ptr<::grpc::Server> server_;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace sluice::transport
