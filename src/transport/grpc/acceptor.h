// Accepts a listening socket's connections by a thread of its own, and gives them to a gRPC server.
//
// gRPC's own listener accepts nothing more once the process has run out of descriptors (gRPC before
// 1.56, CVE-2023-4785). This one leaves connections in the kernel's queue meanwhile, tries again
// ten times a second, and says it once. It also leaves a quarter of the descriptors that the
// process may have (ulimit -n) to others. Internal: includes gRPC.
#pragma once

#include <grpcpp/server.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/descriptor.h"
#include "sluice/status.h"
#include "transport/grpc/listening_socket.h"

namespace sluice::transport {

using core::Descriptor;

class Acceptor {
 public:
  // The first two must outlive it; `on_full` as wire::ListenOptions has it, may be null.
  // RESOURCE_EXHAUSTED: there is no descriptor left.
  static Result<std::unique_ptr<Acceptor>> start(const ListeningSocket& socket,
                                                 ::grpc::Server& server,
                                                 std::function<void(const std::string&)> on_full);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

 private:
  // A descriptor that gRPC owns, and closes: then the number is that of another file, or of none.
  struct Connection {
    int fd = -1;
    uint64_t inode = 0;
  };
  enum class Wait { kForConnections, kForDescriptors };

  Acceptor(const ListeningSocket& socket, ::grpc::Server& server, Descriptor stop,
           std::function<void(const std::string&)> on_full);
  void run();
  bool wait(Wait what);
  void accept_all();
  bool accept_all(const Descriptor& socket);
  void add(Descriptor connection);
  bool has_room();
  void pause(const char* why);

  const ListeningSocket& socket_;
  ::grpc::Server& server_;
  const Descriptor stop_;  // an eventfd
  const std::function<void(const std::string&)> on_full_;

  // Used by the thread only.
  std::vector<Connection> connections_;
  Wait next_wait_ = Wait::kForConnections;
  bool told_ = false;  // it has been said that connections wait

  std::thread thread_;
};

}  // namespace sluice::transport
