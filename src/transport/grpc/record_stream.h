// Reads the stream of FetchPartition, each message within a timeout of its own. Internal.
#pragma once

#include <functional>

#include "control.grpc.pb.h"
#include "core/clock.h"
#include "sluice/status.h"
#include "transport/grpc/call_status.h"
#include "wire/control.h"

namespace sluice::transport {

// Returns when the stream has ended, `sink` has said false, or a message has not come in time.
Status read_record_stream(const Peer& peer, v1::Control::Stub& stub,
                          const v1::FetchRequest& request,
                          const std::function<bool(const wire::RecordChunk&)>& sink,
                          core::Duration timeout);

}  // namespace sluice::transport
