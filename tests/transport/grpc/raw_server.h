// A gRPC server that takes every call as bytes, and answers as the test says.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "transport/grpc/endpoint.h"

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

class RawServer final : private ::grpc::CallbackGenericService {
 public:
  // A call whose request has come. Lives until it has been answered or cut off.
  class Call final : private ::grpc::ServerGenericBidiReactor {
   public:
    const std::string& request() const { return request_; }
    ::grpc::CallbackServerContext& context() { return context_; }

    // Sends the messages, one after the other, and then, unless it is to stay open, the end.
    void answer(std::vector<std::string> messages,
                std::optional<::grpc::Status> end = ::grpc::Status::OK) {
      messages_ = std::move(messages);
      end_ = std::move(end);
      go_on();
    }

   private:
    friend class RawServer;
    Call(const std::function<void(Call&)>& handler, ::grpc::CallbackServerContext& context)
        : handler_(handler), context_(context) {
      StartRead(&buffer_);
    }

    void OnReadDone(bool ok) override {
      if (!ok) return;
      request_ = bytes_of(buffer_);
      handler_(*this);
    }
    void OnWriteDone(bool ok) override {
      if (ok) go_on();
    }
    void OnCancel() override { finish(::grpc::Status::CANCELLED); }
    void OnDone() override { const std::unique_ptr<Call> self(this); }

    void go_on() {
      if (sent_ < messages_.size()) {
        buffer_ = buffer_of(messages_[sent_++]);
        StartWrite(&buffer_);
      } else if (end_) {
        finish(*end_);
      }
    }
    void finish(const ::grpc::Status& status) {
      if (!finished_.exchange(true)) Finish(status);
    }

    const std::function<void(Call&)>& handler_;
    ::grpc::CallbackServerContext& context_;
    ::grpc::ByteBuffer buffer_;
    std::string request_;
    std::vector<std::string> messages_;
    std::optional<::grpc::Status> end_;
    size_t sent_ = 0;
    std::atomic<bool> finished_ = false;
  };

  // `handler` runs on gRPC's threads; it answers the call or keeps it for later.
  explicit RawServer(std::function<void(Call&)> handler) : handler_(std::move(handler)) {
    auto opened = open_endpoint("127.0.0.1:0", [this](::grpc::ServerBuilder& builder) {
      builder.RegisterCallbackGenericService(this);
    });
    EXPECT_TRUE(opened.ok()) << opened.status();
    if (opened.ok()) endpoint_ = *std::move(opened);
  }
  ~RawServer() override {
    if (endpoint_.server) endpoint_.server->Shutdown(std::chrono::system_clock::now());
  }

  const std::string& address() const { return endpoint_.address; }
  Peer peer(const char* role) const { return *connect_to(role, endpoint_.address); }

 private:
  ::grpc::ServerGenericBidiReactor* CreateReactor(
      ::grpc::GenericCallbackServerContext* context) override {
    // Deletes itself in OnDone().
    return std::unique_ptr<Call>(new Call(handler_, *context)).release();
  }

  const std::function<void(Call&)> handler_;
  Endpoint endpoint_;
};

}  // namespace sluice::transport
