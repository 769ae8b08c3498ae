// The transport between processes: gRPC over TCP or Unix sockets.
//
// Tensors move as raw slices, never through protobuf objects: one copy at the receiving end.
// Between processes of one host that can share memory, which they find out by themselves, they do
// not move at all: messages say where they are (src/memory). Calls wait, within their timeout, for
// a server that is not there yet, and find one that came back within two seconds. gRPC's own log
// lines appear at log level debug.
//
// Larger messages are refused before they are received: requests to a driver have at most 512 KiB,
// its answers 256 MiB, requests to a server what its ListenOptions say, and its answers the shard
// that was asked for and 1 MiB (5 MiB, if that is more). Connections take at most three quarters of
// the files that the process may open; others wait.
//
// Of a process's threads that wait for gRPC, one watches all connections, and wakes another when
// something has come: each thread more costs context switches. So there are few: control channels
// are answered on the thread of the listener if there is one, and share it with one parameter
// channel; other parameter channels have a thread each, which copies the values.
//
// gRPC starts with the first object of this class, for the rest of the process's life: fork before
// that, or exec afterwards. From then on the process also keeps memory that it frees (up to 512
// MiB, mallopt), to be used for the next messages. Thread-safe. Channels and listeners may outlive
// the transport.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "wire/transport.h"

namespace sluice::transport {

class OperationQueue;
class SharedMemory;

class GrpcTransport final : public wire::Transport {
 public:
  enum class Sharing { kMemory, kNothing };
  // kNothing: bytes are sent even to processes that could share memory.
  explicit GrpcTransport(Sharing sharing = Sharing::kMemory);

  // Where other processes of this host can read them in place.
  wire::BufferSource buffers() override;

  // Addresses: "HOST:PORT" (port 0: any free one), "[IPV6]:PORT", "unix:/path". A listener on a
  // Unix socket removes its file at the end. Plaintext: for networks that are trusted.
  // INVALID_ARGUMENT: not an address, or none of this host's. UNAVAILABLE: in use.
  Result<std::unique_ptr<wire::Listener>> listen(const std::string& address,
                                                 wire::ParameterService* service,
                                                 const wire::ListenOptions& options) override;
  Result<std::unique_ptr<wire::Listener>> listen(const std::string& address,
                                                 wire::ControlService* service) override;

  // Each channel is a connection of its own. Calls on an address that is none fail with
  // INVALID_ARGUMENT.
  std::shared_ptr<wire::ParameterChannel> connect_parameters(const std::string& address) override;
  std::shared_ptr<wire::ControlChannel> connect_control(const std::string& address) override;

 private:
  std::shared_ptr<OperationQueue> shared_queue();

  const std::shared_ptr<SharedMemory> memory_;
  std::mutex mutex_;
  std::weak_ptr<OperationQueue> shared_queue_;
  std::weak_ptr<wire::ParameterChannel> sharing_;  // the one that uses it
};

// Whether listen() would succeed: listens and stops at once. Errors as listen().
Status check_listen(const std::string& address);

// The gRPC library's: "1.51.1".
std::string grpc_version();

}  // namespace sluice::transport
