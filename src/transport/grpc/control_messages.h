// The control plane's structs as the protobuf messages of proto/control.proto, and back. Internal.
//
// What comes from the network is made representable here: durations are clamped to 0 to 24 hours,
// and kinds that this version does not know become kAbort. The service checks whether it makes
// sense.
#pragma once

#include "control.pb.h"
#include "wire/control.h"

namespace sluice::transport {

v1::JoinRequest to_proto(const wire::JoinRequest& request);
// INVALID_ARGUMENT: neither a server nor a worker.
Result<wire::JoinRequest> from_proto(const v1::JoinRequest& request);

v1::JoinReply to_proto(const wire::JoinReply& reply);
wire::JoinReply from_proto(const v1::JoinReply& reply);

v1::AcquireRequest to_proto(const wire::AcquireRequest& request);
wire::AcquireRequest from_proto(const v1::AcquireRequest& request);

v1::AcquireReply to_proto(const wire::AcquireReply& reply);
wire::AcquireReply from_proto(const v1::AcquireReply& reply);

v1::HeartbeatRequest to_proto(const wire::HeartbeatRequest& request);
wire::HeartbeatRequest from_proto(const v1::HeartbeatRequest& request);

v1::HeartbeatReply to_proto(const wire::HeartbeatReply& reply);
wire::HeartbeatReply from_proto(const v1::HeartbeatReply& reply);

v1::FinishRequest to_proto(const wire::FinishRequest& request);
wire::FinishRequest from_proto(const v1::FinishRequest& request);

v1::LeaveRequest to_proto(const wire::LeaveRequest& request);
wire::LeaveRequest from_proto(const v1::LeaveRequest& request);

v1::FetchRequest to_proto(const wire::FetchRequest& request);
wire::FetchRequest from_proto(const v1::FetchRequest& request);

v1::RecordChunk to_proto(const wire::RecordChunk& chunk);
wire::RecordChunk from_proto(const v1::RecordChunk& chunk);

v1::StatusRequest to_proto(const wire::StatusRequest& request);
wire::StatusRequest from_proto(const v1::StatusRequest& request);

v1::StatusReply to_proto(const wire::StatusReply& reply);
wire::StatusReply from_proto(const v1::StatusReply& reply);

v1::CommandRequest to_proto(const wire::CommandRequest& request);
wire::CommandRequest from_proto(const v1::CommandRequest& request);

v1::CommandReply to_proto(const wire::CommandReply& reply);
wire::CommandReply from_proto(const v1::CommandReply& reply);

}  // namespace sluice::transport
