// Messages with a tensor in them, written and read by hand around raw bytes:
//
//   message XMessage { XHeader header = 1; bytes payload = 15; }
//
// On the wire they are ordinary protobuf, so that any client can talk to a server; but the payload,
// always written last, is never copied into a protobuf object.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/status.h"

namespace sluice::transport {

// All of the message except the payload's bytes, which follow it.
std::string encode_prefix(std::string_view header, size_t payload_bytes);

struct RawMessage {
  std::string header;                               // serialised XHeader
  std::vector<std::span<const std::byte>> payload;  // views of the pieces that were decoded
};

// Reads a message that came in pieces cut anywhere. As protobuf does: fields may come in any order,
// unknown ones are skipped, of several payloads the last counts and several headers are merged.
// INVALID_ARGUMENT: the bytes are no such message, or end too early. How large they may be, whoever
// receives them says (wire::ListenOptions, wire::CallOptions).
Result<RawMessage> decode(const std::vector<std::span<const std::byte>>& pieces);

}  // namespace sluice::transport
