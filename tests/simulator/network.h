// A network between simulated processes that does what networks do: it delays, loses, repeats and
// reorders messages, and is cut in one direction or both.
//
// A call is a request and a response, each a message of its own. A message that is lost is noticed
// by nobody: the call ends at its timeout. What the network does to a message is drawn from the
// simulation's chance, and counted by the phase of the job that the message belongs to.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "tests/simulator/simulation.h"
#include "wire/move.h"
#include "wire/transport.h"

namespace sluice::simulator {

enum class Phase { kJoining, kExchange, kRaise, kFence, kTakeover, kMove, kEnd };
inline constexpr int kPhases = 7;
const char* to_string(Phase phase);

enum class Fault { kDelay, kLoss, kDuplicate, kReorder, kCut, kPause, kDeath, kDrain, kRestart };
inline constexpr int kFaults = 9;
const char* to_string(Fault fault);

// How many faults of each kind met which phase.
struct FaultCounts {
  std::array<std::array<int64_t, kPhases>, kFaults> counts{};
  int64_t& at(Fault fault, Phase phase) {
    return counts[static_cast<size_t>(fault)][static_cast<size_t>(phase)];
  }
  FaultCounts& operator+=(const FaultCounts& other);
};

struct NetworkOptions {
  core::Duration least_delay = std::chrono::microseconds(50);
  core::Duration most_delay = std::chrono::milliseconds(2);
  double slow = 0.02;  // of messages, which take up to `slowest`
  core::Duration slowest = std::chrono::seconds(2);
  double lost = 0.01;
  double repeated = 0.02;
  // Of each host's line, in each direction; 0: any number. Updates and values take it, as if each
  // of their bytes were `bytes_scale`.
  double bytes_per_s = 0;
  double bytes_scale = 1;
};

// Somebody who looks on at the servers' doors. Messages are seen when they arrive, and answers when
// they leave. All of one message come together: first what it was, then the answers that it set
// free, then on_settled().
class ServerWatcher {
 public:
  virtual ~ServerWatcher() = default;

  // What the server's ledger says of the push before and after one of its messages. Nothing: it
  // waits for others, or was refused.
  enum class Became { kApplied, kSuperseded, kDuplicate, kNothing };
  struct Push {
    int64_t call = 0;  // a number for each arrival
    const wire::PushHeader& header;
    std::span<const float> update;  // decoded
    Became became = Became::kNothing;
  };
  virtual void on_create(const std::string& server, const wire::CreateRequest& request) = 0;
  virtual void on_push(const std::string& server, const Push& push) = 0;
  virtual void on_answer(int64_t call, const Result<wire::ExchangeReply>& answer) = 0;
  virtual void on_gate(const std::string& server, const wire::Gate& gate) = 0;
  // It has been answered with OK.
  virtual void on_fence(const std::string& server, const wire::FenceRequest& fence) = 0;
  virtual void on_settled(const std::string& server) = 0;
  // Likewise. kSwitch: the server has its shards of the map of that revision from now on.
  virtual void on_move(const std::string& server, const wire::MoveRequest& request) = 0;
  virtual void on_pulled(const wire::PullRequest& request, const wire::PullReply& answer) = 0;

  // At the workers' side: a message of a push begins to be sent; the worker has been told that the
  // push is applied; it has, of these shards, this now.
  virtual void on_sent(const wire::PushHeader& header) = 0;
  virtual void on_acknowledged(const wire::PushHeader& header, const wire::PushReply& reply) = 0;
  // It has been told that the push had been counted before.
  virtual void on_duplicate(const wire::PushHeader& header) = 0;
  virtual void on_taken(const std::optional<wire::Wanted>& wanted, wire::ShardRange shards,
                        uint64_t name, std::span<const float> held) = 0;
};

class Network {
 public:
  Network(Simulation& simulation, const NetworkOptions& options)
      : simulation_(simulation), options_(options) {}

  // The network as one process sees it.
  std::unique_ptr<wire::Transport> transport_of(std::shared_ptr<Process> process);

  // Nothing that `from` sends reaches `to` until then. By host.
  void cut(const std::string& from, const std::string& to, core::TimePoint until);
  // From now on nothing goes wrong any more.
  void heal() { healed_ = true; }

  // Which phase a message belongs to: the scenario knows, by the method and who is meant.
  std::function<Phase(const char* method, int64_t partition)> phase_of;
  ServerWatcher* watcher = nullptr;  // null: nobody looks on
  // Before a message is sent.
  std::function<void(const char* method, int64_t partition, const std::string& from,
                     const std::string& to)>
      on_message;
  // Likewise, of a move.
  std::function<void(const wire::MoveRequest& request)> on_move;
  // A worker has an answer to a message of a push.
  std::function<void(const wire::PushHeader& header)> on_answered;
  FaultCounts& faults() { return faults_; }

  // For the channels of network.cc.
  struct Message {
    std::shared_ptr<Process> from;
    std::string to;  // host
    const char* method;
    int64_t partition;
    bool response;
    std::shared_ptr<Process> receiver;  // of a response; a request waits at its receiver itself
    size_t bytes = 0;                   // of updates and values
  };
  // Delivers it, perhaps twice, perhaps never.
  void send(const Message& message, std::function<void()> deliver);
  struct Listening {
    std::shared_ptr<Process> process;
    wire::ParameterService* parameters = nullptr;
    wire::ControlService* control = nullptr;
    bool serving = true;
  };
  Listening* find(const std::string& address);
  std::map<std::string, Listening>& listening() { return listening_; }
  Simulation& simulation() { return simulation_; }
  int64_t next_arrival() { return ++last_arrival_number_; }
  // What the server has made of a push, which has just arrived.
  ServerWatcher::Became became(const std::string& address, wire::ParameterService& server,
                               uint64_t job);

 private:
  core::Duration delay_of(const Message& message, Phase phase);
  core::Duration time_on_lines(const Message& message);
  bool is_cut(const std::string& from, const std::string& to) const;

  Simulation& simulation_;
  const NetworkOptions options_;
  bool healed_ = false;
  std::map<std::string, Listening> listening_;  // by address
  std::map<std::pair<std::string, std::string>, core::TimePoint> cuts_;
  std::map<std::pair<std::string, std::string>, core::TimePoint> last_arrival_;
  int64_t last_arrival_number_ = 0;
  std::map<std::string, core::TimePoint> out_free_, in_free_;  // lines, by host
  std::map<std::string, wire::LedgerReply> counts_;  // by server, after the last push
  FaultCounts faults_;
};

}  // namespace sluice::simulator
