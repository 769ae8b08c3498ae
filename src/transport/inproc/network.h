// What the channels and listeners of one InprocTransport share: who listens under which name, and
// the calls that are under way.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "core/world.h"
#include "sluice/status.h"
#include "wire/transport.h"

namespace sluice::transport {

// One of the two is set.
struct InprocService {
  wire::ParameterService* parameters = nullptr;
  wire::ControlService* control = nullptr;
  size_t max_message_bytes = wire::ListenOptions::kAnySize;
};

// A call on its way to a service and back.
class InprocCall {
 public:
  InprocCall(std::string name, core::Duration timeout)
      : name_(std::move(name)), timeout_(timeout) {}
  virtual ~InprocCall() = default;

  // Hands the call to the service. Once.
  virtual void enter(const InprocService& service) = 0;
  // Tells the caller that there will be no answer. Only for who has claimed the call.
  virtual void fail(Status why) = 0;

 private:
  friend class InprocNetwork;

  const std::string name_;  // where somebody should listen
  const core::Duration timeout_;
  uint64_t id_ = 0;
  uint64_t channel_ = 0;
  core::TimePoint deadline_;

  // Guarded by the network's mutex.
  uint64_t listener_ = 0;  // whose service has it; 0: it waits for one
  core::TimerId timer_ = 0;
  std::optional<std::thread::id> answering_;  // claimed: by that thread
};

// Thread-safe. Only remove() and close() block, as they say.
class InprocNetwork : public std::enable_shared_from_this<InprocNetwork> {
 public:
  explicit InprocNetwork(core::World& world);

  // Listeners. The name that was taken: `name`, or a free one when that is empty. UNAVAILABLE:
  // somebody has it. Calls to it wait.
  Result<std::string> take(const std::string& name);
  // Calls to a name that was taken go to `service` from now on.
  void serve(const std::string& name, const InprocService& service);
  // Returns when no call is in one of the service's methods any more. What it has not answered yet
  // is UNAVAILABLE half a second later.
  void remove(const std::string& name);

  // Channels. A number for a new one.
  uint64_t add_channel();
  void start(uint64_t channel, const std::shared_ptr<InprocCall>& call);
  // Ends the channel's calls with `why`, except those that are being answered.
  void cut(uint64_t channel, const Status& why);
  // Does so, and waits for the others, except for what this thread itself is answering.
  void close(uint64_t channel, const Status& why);

  // Answers. Whoever claims a call first answers it, and then calls ended(): with an answer of its
  // own when the status is OK, else with the status (DEADLINE_EXCEEDED: it is too late). Nothing:
  // somebody else has claimed the call.
  std::optional<Status> claim(InprocCall& call);
  void ended(InprocCall& call);

 private:
  struct Listening {
    uint64_t id = 0;
    InprocService service;
    bool serving = false;
    int inside = 0;  // calls that are in one of the service's methods
  };
  using Lock = std::unique_lock<std::mutex>;

  void enter(Lock& lock, const std::shared_ptr<InprocCall>& call, Listening& listening);
  void enter_waiting(uint64_t call);
  void set_timer(InprocCall& call);
  void expire(uint64_t call);
  void cut_off(uint64_t listener, const Status& why);
  // Claims each call of which `matches` says so, and ends it.
  template <typename Matches>
  void end_calls(Matches matches, const Status& why);
  bool has_calls(const Lock& lock, uint64_t channel) const;

  core::World& world_;
  const std::shared_ptr<core::Strand> strand_;  // timers, and calls whose service came later

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Listening> listening_;
  std::map<uint64_t, std::shared_ptr<InprocCall>> calls_;  // in the order in which they came
  uint64_t last_id_ = 0;
};

}  // namespace sluice::transport
