#include "server/serve.h"

#include <fmt/core.h>

#include <future>
#include <utility>

#include "client/parameter_client.h"
#include "core/log.h"
#include "core/version.h"

namespace sluice::server {
namespace {

// A driver that wants to keep what was learned so far answers when it has read it.
constexpr core::Duration kLastPull = std::chrono::seconds(8);

// Everything stands still for it: what is lost on the way is found out soon.
client::ExchangeOptions exchange_options() {
  client::ExchangeOptions options;
  options.call_timeout = std::chrono::seconds(3);
  options.speak_after = std::chrono::seconds(1);
  return options;
}

// What other hosts should call an address that says "any interface".
std::string advertised(const std::string& listening, const std::string& host) {
  for (const std::string any : {"0.0.0.0:", "[::]:"}) {
    if (listening.rfind(any, 0) == 0) return host + ":" + listening.substr(any.size());
  }
  return listening;
}

}  // namespace

Server::Server(core::World& world, wire::Transport& transport, ServeOptions options,
               std::function<void(Status)> on_end)
    : world_(world),
      transport_(transport),
      options_(std::move(options)),
      on_end_(std::move(on_end)),
      strand_(world.make_strand("server")),
      parameters_(world, options_.apply_threads, transport.buffers(),
                  [this](uint64_t job, const wire::Placement& placement) {
                    return std::make_unique<client::ParameterClient>(
                        world_, transport_, strand_, job, placement, exchange_options(),
                        [](const std::string& whom) {
                          if (!whom.empty()) SLUICE_LOG(info, "waiting for {}", whom);
                        });
                  }) {}

// The strand first: the listener is its.
Server::~Server() {
  strand_->close();
  listener_.reset();
}

void Server::start() {
  strand_->post([this] { listen_and_join(); });
}

void Server::stop(const std::string& reason) {
  strand_->post([this, reason] {
    if (member_) {
      member_->leave(cancelled(reason), kLastPull);
    } else {
      end(cancelled(reason));
    }
  });
}

void Server::listen_and_join() {
  if (ended_) return;
  if (Status listening = listen(options_.listen); !listening.ok()) return end(listening);
  wire::JoinRequest request;
  request.role = wire::Role::kServer;
  request.version = core::version();
  request.address = options_.advertise.empty()
                        ? advertised(listener_->address(), world_.process().host)
                        : options_.advertise;
  request.preferred_index = options_.preferred_index;
  request.address_guessed = options_.advertise.empty() && request.address != listener_->address();
  SLUICE_LOG(info, "{}: listening at {}, to be reached at {}{}; joining the driver at {}",
             core::to_text(world_.process()), listener_->description(), request.address,
             request.address_guessed ? " (its host's name; --advertise gives another)" : "",
             options_.driver);
  client::MemberEvents events;
  events.on_joined = [this](const wire::JoinReply& joined, const wire::TrainingSpec& spec) {
    serve(joined, spec);
  };
  events.before_rejoin = [this] { parameters_.expect_another_job(); };
  events.on_lost = [this] { listen_anew(); };
  events.on_lease_lost = [] {};
  events.on_end = [this](Status why) { end(std::move(why)); };
  member_.emplace(world_, strand_, transport_.connect_control(options_.driver), std::move(request),
                  options_.join_timeout, std::move(events));
  member_->start();
}

Status Server::listen(const std::string& address) {
  wire::ListenOptions options;
  options.threads = options_.threads;
  options.max_message_bytes = wire::ListenOptions::kNotKnownYet;
  options.on_full = [this](const std::string& why) {
    strand_->post([this, why] { say_full(why); });
  };
  SLUICE_ASSIGN_OR_RETURN(listener_, transport_.listen(address, &parameters_, options));
  return options_.on_listening ? options_.on_listening(listener_->address()) : ok_status();
}

void Server::serve(const wire::JoinReply& joined, const wire::TrainingSpec& spec) {
  log::set_role(fmt::format("server {}", joined.index));
  SLUICE_LOG(info, "joined the driver at {}", options_.driver);
  parameters_.serve_job(joined.job);
  const size_t values = static_cast<size_t>(spec.largest_message) * sizeof(float);
  const Status serving =
      listener_->serve(values + wire::push_header_bytes(spec) + wire::move_bytes(spec));
  if (!serving.ok()) member_->leave(serving);
}

// Who cannot connect knows only that this server does not answer: the driver tells its people.
void Server::say_full(const std::string& why) {
  if (!member_ || ended_) return;
  member_->set_waiting_for(
      why.empty()
          ? ""
          : fmt::format("open files for more connections ({}): raise its limit (ulimit -n)", why));
}

// The next job's messages may have another size.
void Server::listen_anew() {
  const std::string address = listener_->address();
  listener_.reset();
  say_full("");
  if (Status listening = listen(address); !listening.ok()) member_->leave(listening);
}

void Server::end(Status why) {
  if (std::exchange(ended_, true)) return;
  if (member_) ending_ = member_->ending();
  if (why.ok()) SLUICE_LOG(info, "the job is over");
  on_end_(std::move(why));
}

client::MemberEnd serve(core::World& world, wire::Transport& transport, const ServeOptions& options,
                        client::StopRequest stop) {
  std::promise<Status> ended;
  Server server(world, transport, options,
                [&ended](Status why) { ended.set_value(std::move(why)); });
  server.start();
  const std::stop_callback on_stop(std::move(stop.token), [&] { server.stop(stop.reason()); });
  Status why = ended.get_future().get();
  return {server.ending(), std::move(why)};
}

}  // namespace sluice::server
