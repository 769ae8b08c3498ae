// What two processes say over a Unix socket: messages of one size, each with a descriptor or none.
// Internal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/descriptor.h"
#include "sluice/status.h"

namespace sluice::memory {

enum class Kind : uint64_t {
  kHello = 0x53'4c'43'31'00'00'00'01,  // the rest is Sluice's, of this version
  kWelcome,
  kSegment,
  kGone,
};

// The same at both ends: one host, one kind of processor.
struct Message {
  Kind kind = Kind::kHello;
  // kHello: the door's key and the worker's token, with the segment of its word.
  // kWelcome: nothing, with the segment of the server's word.
  // kSegment: number and bytes, with the segment. kGone: the number of one.
  uint64_t a = 0, b = 0, c = 0;
};

struct Received {
  Message message;
  core::Descriptor fd;  // not valid: none came
};

// Sockets that keep messages apart and never wait, by a name of at most 107 characters that is in
// no file system (unix(7)). Not valid: errno says why.
core::Descriptor listen_at(const std::string& name);
core::Descriptor connect_to(const std::string& name);

// Whose the other end's process is; nothing: nobody knows.
std::optional<uint32_t> user_of(int socket);

// False: it could not be sent now.
bool send(int socket, const Message& message, int fd = -1);

// Nothing: none is there. UNAVAILABLE: the other end has hung up. INVALID_ARGUMENT: what came was
// no such message; whatever came with it is closed.
Result<std::optional<Received>> receive(int socket);

}  // namespace sluice::memory
