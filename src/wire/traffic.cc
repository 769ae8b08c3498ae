#include "wire/traffic.h"

namespace sluice::wire {

const char* to_string(Path::Way way) {
  switch (way) {
    case Path::Way::kUnixSocket:
      return "Unix socket";
    case Path::Way::kSharedMemory:
      return "shared memory";
    case Path::Way::kTcp:
      break;
  }
  return "TCP";
}

void add(Traffic& to, const Traffic& more) {
  to.server = more.server;
  to.path = more.path;
  to.exchanges += more.exchanges;
  to.seconds += more.seconds;
  to.sent_bytes += more.sent_bytes;
  to.received_bytes += more.received_bytes;
  to.saved_bytes += more.saved_bytes;
}

}  // namespace sluice::wire
