#include "transport/grpc/grpc_transport.h"

#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <malloc.h>

#include <string_view>

#include "core/log.h"
#include "transport/grpc/control_channel.h"
#include "transport/grpc/control_methods.h"
#include "transport/grpc/listener.h"
#include "transport/grpc/listening_socket.h"
#include "transport/grpc/parameter_channel.h"
#include "transport/grpc/parameter_methods.h"
#include "transport/grpc/shared_memory.h"

namespace sluice::transport {
namespace {

// Members send a driver names, numbers, and what went wrong.
constexpr size_t kLargestRequestToDriver = size_t{512} << 10;

// What matters to people reaches them as a Status; the rest is for those who look for bugs, except
// a last word before gRPC ends the process.
void log_quietly(gpr_log_func_args* line) {
  if (std::string_view(line->message).starts_with("assertion failed")) {
    SLUICE_LOG(error, "grpc: {} ({}:{})", line->message, line->file, line->line);
  } else {
    SLUICE_LOG(debug, "grpc: {} ({}:{})", line->message, line->file, line->line);
  }
}

// Starts gRPC, and keeps it until the process ends: to stop it with the last listener would now and
// then wait ten seconds for one of its own threads (a poll that nothing interrupts).
void start_grpc() {
  static const bool started = [] {
    gpr_set_log_function(log_quietly);
    grpc_init();
    // gRPC receives into blocks that it frees after each message. Given back to the system, their
    // pages would be cleared and mapped in again for the next one, which costs as much as copying.
    ::mallopt(M_TRIM_THRESHOLD, 512 << 20);
    return true;
  }();
  (void)started;
}

}  // namespace

GrpcTransport::GrpcTransport(Sharing sharing)
    : memory_(std::make_shared<SharedMemory>(sharing == Sharing::kMemory)) {
  start_grpc();
}

wire::BufferSource GrpcTransport::buffers() { return memory_->buffers(); }

Result<std::unique_ptr<wire::Listener>> GrpcTransport::listen(const std::string& address,
                                                              wire::ParameterService* service,
                                                              const wire::ListenOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(Listening listening,
                          listen_for(address, parameter_methods(*service, memory_), options));
  std::lock_guard lock(mutex_);
  shared_queue_ = listening.queue;
  return std::move(listening.listener);
}

Result<std::unique_ptr<wire::Listener>> GrpcTransport::listen(const std::string& address,
                                                              wire::ControlService* service) {
  SLUICE_ASSIGN_OR_RETURN(Listening listening,
                          listen_for(address, control_methods(*service),
                                     {.threads = 1, .max_message_bytes = kLargestRequestToDriver}));
  std::lock_guard lock(mutex_);
  shared_queue_ = listening.queue;
  return std::move(listening.listener);
}

std::shared_ptr<wire::ParameterChannel> GrpcTransport::connect_parameters(
    const std::string& address) {
  std::lock_guard lock(mutex_);
  if (!sharing_.expired()) {
    return connect_parameter_channel(address, memory_->server(address),
                                     std::make_shared<OperationQueue>());
  }
  auto channel = connect_parameter_channel(address, memory_->server(address), shared_queue());
  sharing_ = channel;
  return channel;
}

std::shared_ptr<wire::ControlChannel> GrpcTransport::connect_control(const std::string& address) {
  std::lock_guard lock(mutex_);
  return connect_control_channel(address, shared_queue());
}

// With the lock.
std::shared_ptr<OperationQueue> GrpcTransport::shared_queue() {
  auto queue = shared_queue_.lock();
  if (!queue) shared_queue_ = queue = std::make_shared<OperationQueue>();
  return queue;
}

Status check_listen(const std::string& address) { return ListeningSocket::open(address).status(); }

std::string grpc_version() { return ::grpc::Version(); }

}  // namespace sluice::transport
