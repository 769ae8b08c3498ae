// The calls of one channel, and their answers as messages. Internal: includes gRPC and protobuf.
#pragma once

#include <google/protobuf/message_lite.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "transport/grpc/async_calls.h"
#include "wire/parameters.h"

namespace sluice::transport {

class ChannelCalls {
 public:
  using Answer = AsyncCalls::Answer;

  // `role`: "server" or "driver". Calls on an address that is none are answered INVALID_ARGUMENT.
  // Larger answers than this are refused, unless a call expects one.
  ChannelCalls(const char* role, std::string address, size_t max_answer_bytes,
               std::shared_ptr<OperationQueue> queue);

  const std::string& address() const { return address_; }
  void cut();

  // `expected_bytes`: of the answer.
  void start(const char* method, const ::grpc::ByteBuffer& request, size_t expected_bytes,
             const wire::CallOptions& options, core::Reply<Answer> reply,
             WhenAbsent absent = WhenAbsent::kWait);

  // A call whose answer is a message that `convert` reads.
  template <typename Message, typename T>
  void call(const char* method, const google::protobuf::MessageLite& request,
            const wire::CallOptions& options, core::Reply<Result<T>> reply,
            T (*convert)(const Message&), WhenAbsent absent = WhenAbsent::kWait) {
    start(
        method, buffer_of(request), options.answer_bytes, options,
        [who = who_, reply = std::move(reply), convert](Answer answer) mutable {
          Message message;
          const Status status = read(std::move(answer), message, who);
          reply(status.ok() ? Result<T>(convert(message)) : status);
        },
        absent);
  }

  // A call that is answered with no more than a status.
  void call(const char* method, const google::protobuf::MessageLite& request,
            const wire::CallOptions& options, core::Reply<Status> reply);
  void call(const char* method, const ::grpc::ByteBuffer& request, const wire::CallOptions& options,
            core::Reply<Status> reply);

 private:
  static ::grpc::ByteBuffer buffer_of(const google::protobuf::MessageLite& message);
  // DATA_LOSS: the answer is no such message.
  static Status read(Answer answer, google::protobuf::MessageLite& message, const std::string& who);
  Result<AsyncCalls*> connection(size_t expected_bytes);

  const char* const role_;
  const std::string address_;
  const std::string who_;  // "server at ADDRESS"
  const std::shared_ptr<OperationQueue> queue_;

  std::mutex mutex_;
  // gRPC bounds the answers of a connection, not of a call: a call that expects more gets another
  // connection. The last one is the widest; the others end with the channel.
  std::vector<std::unique_ptr<AsyncCalls>> connections_;
  size_t max_answer_bytes_;
};

}  // namespace sluice::transport
