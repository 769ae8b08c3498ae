// The server role: listens, joins a job, keeps its parameters until the driver says it is over.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "client/member.h"
#include "core/clock.h"
#include "core/world.h"
#include "server/parameter_server.h"
#include "sluice/status.h"
#include "wire/transport.h"

namespace sluice::server {

struct ServeOptions {
  std::string driver;     // address
  std::string listen;     // address for the data plane; port 0: any free one
  std::string advertise;  // the address that others are told; empty: where it listens
  int preferred_index = -1;
  int threads = 1;                                         // of the data plane
  int apply_threads = 1;                                   // that apply a push, at most
  core::Duration join_timeout = std::chrono::seconds(60);  // for the driver to be there
  // Told where it listens, with the real port, before it joins; not OK: the server ends with that.
  std::function<Status(const std::string& address)> on_listening{};
};

class Server {
 public:
  // `on_end` is called once, on a strand of the server's, which must not be destroyed in it: OK,
  // the job is done; otherwise why it could not go on. When the driver comes back with another job,
  // the server joins that and drops the old job's parameters.
  Server(core::World& world, wire::Transport& transport, ServeOptions options,
         std::function<void(Status)> on_end);
  ~Server();

  void start();
  // Leaves the job with CANCELLED, for this reason. Thread-safe.
  void stop(const std::string& reason);
  client::Ending ending() const { return ending_; }  // in on_end and after

 private:
  void listen_and_join();
  // Opens the address; calls wait until it is known how large those of the job are.
  Status listen(const std::string& address);
  void serve(const wire::JoinReply& joined, const wire::TrainingSpec& spec);
  void say_full(const std::string& why);
  void listen_anew();
  void end(Status why);

  core::World& world_;
  wire::Transport& transport_;
  const ServeOptions options_;
  const std::function<void(Status)> on_end_;
  const std::shared_ptr<core::Strand> strand_;
  ParameterServer parameters_;
  std::unique_ptr<wire::Listener> listener_;
  std::optional<client::Member> member_;
  client::Ending ending_ = client::Ending::kFailed;
  bool ended_ = false;
};

// A Server from its start to its end; a stop that is requested is Server::stop().
client::MemberEnd serve(core::World& world, wire::Transport& transport, const ServeOptions& options,
                        client::StopRequest stop);

}  // namespace sluice::server
