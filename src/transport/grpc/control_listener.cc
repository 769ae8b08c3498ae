#include "transport/grpc/control_listener.h"

#include <algorithm>
#include <exception>

#include "control.grpc.pb.h"
#include "transport/grpc/control_messages.h"
#include "transport/grpc/endpoint.h"

namespace sluice::transport {
namespace {

// Features in one message of FetchPartition; what bounds the memory at both ends.
constexpr size_t kChunkBytes = size_t{2} << 20;

using Context = ::grpc::ServerContext;

// Runs `call` and turns its Status, or what it throws, into gRPC's.
template <typename Call>
::grpc::Status answer(Context& context, Call call) {
  try {
    return to_grpc(call(), context);
  } catch (const std::exception& error) {
    return to_grpc(internal_error(error.what()), context);
  }
}

// The part of a chunk that starts at its record `begin`, with as many records as one message takes.
wire::RecordChunk part_of(const wire::RecordChunk& chunk, int64_t begin) {
  const size_t record = chunk.features.size() / static_cast<size_t>(chunk.records);
  const auto most =
      static_cast<int64_t>(std::max<size_t>(kChunkBytes / std::max<size_t>(record, 1), 1));
  const int64_t records = std::min(most, chunk.records - begin);
  const auto from = static_cast<size_t>(begin);
  const auto n = static_cast<size_t>(records);
  return {chunk.first + begin, records, chunk.features.subspan(from * record, n * record),
          chunk.labels.empty() ? chunk.labels : chunk.labels.subspan(from, n)};
}

class ControlHandlers final : public v1::Control::Service {
 public:
  explicit ControlHandlers(wire::ControlService* service) : service_(*service) {}

  ::grpc::Status Join(Context* context, const v1::JoinRequest* request,
                      v1::JoinReply* reply) override {
    return answer(*context, [&]() -> Status {
      SLUICE_ASSIGN_OR_RETURN(const wire::JoinReply joined, service_.join(from_proto(*request)));
      *reply = to_proto(joined);
      return ok_status();
    });
  }

  ::grpc::Status Acquire(Context* context, const v1::AcquireRequest* request,
                         v1::AcquireReply* reply) override {
    return answer(*context, [&]() -> Status {
      SLUICE_ASSIGN_OR_RETURN(const wire::AcquireReply acquired,
                              service_.acquire(request->member()));
      *reply = to_proto(acquired);
      return ok_status();
    });
  }

  ::grpc::Status Heartbeat(Context* context, const v1::HeartbeatRequest* request,
                           v1::HeartbeatReply* reply) override {
    return answer(*context, [&]() -> Status {
      SLUICE_ASSIGN_OR_RETURN(const wire::HeartbeatReply answered,
                              service_.heartbeat(from_proto(*request)));
      *reply = to_proto(answered);
      return ok_status();
    });
  }

  ::grpc::Status Finish(Context* context, const v1::FinishRequest* request, v1::Empty*) override {
    return answer(*context, [&] { return service_.finish(from_proto(*request)); });
  }

  ::grpc::Status Leave(Context* context, const v1::LeaveRequest* request, v1::Empty*) override {
    return answer(*context, [&] { return service_.leave(from_proto(*request)); });
  }

  // Write() waits while the receiver is behind, so no more than a few messages are held.
  ::grpc::Status FetchPartition(Context* context, const v1::FetchRequest* request,
                                ::grpc::ServerWriter<v1::RecordChunk>* writer) override {
    const auto send = [&](const wire::RecordChunk& chunk) {
      for (int64_t begin = 0; begin < chunk.records;) {
        const wire::RecordChunk part = part_of(chunk, begin);
        if (!writer->Write(to_proto(part))) return false;  // the receiver is gone
        begin += part.records;
      }
      return true;
    };
    return answer(*context, [&] {
      return service_.fetch_partition(request->partition(), request->first(), send);
    });
  }

 private:
  wire::ControlService& service_;
};

class ControlListener final : public wire::Listener {
 public:
  explicit ControlListener(wire::ControlService* service) : handlers_(service) {}
  ~ControlListener() override {
    if (!endpoint_.server) return;
    endpoint_.server->Shutdown(std::chrono::system_clock::now() + kShutdownGrace);
    endpoint_.server->Wait();
  }

  Status open(const std::string& address) {
    SLUICE_ASSIGN_OR_RETURN(endpoint_,
                            open_endpoint(address, [this](::grpc::ServerBuilder& builder) {
                              builder.RegisterService(&handlers_);
                            }));
    return ok_status();
  }

  const std::string& address() const override { return endpoint_.address; }

 private:
  ControlHandlers handlers_;
  Endpoint endpoint_;
};

}  // namespace

Result<std::unique_ptr<wire::Listener>> listen_for_control(const std::string& address,
                                                           wire::ControlService* service) {
  auto listener = std::make_unique<ControlListener>(service);
  SLUICE_RETURN_IF_ERROR(listener->open(address));
  return std::unique_ptr<wire::Listener>(std::move(listener));
}

}  // namespace sluice::transport
