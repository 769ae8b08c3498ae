#include "tests/simulator/scenario.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "core/log.h"
#include "data/describe.h"
#include "driver/driver.h"
#include "server/serve.h"
#include "sluice/dataset.h"
#include "sluice/layers.h"
#include "sluice/model.h"
#include "tests/simulator/checker.h"
#include "tests/simulator/running.h"
#include "tests/simulator/toy_algorithms.h"
#include "tests/simulator/toy_backend.h"
#include "worker/pushes.h"
#include "worker/worker.h"

namespace sluice::simulator {
namespace {

using core::TimePoint;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kMostServers = 3;
constexpr int kWorkers = 3, kLateWorkers = 2;
constexpr int kShards = 4;
constexpr int64_t kRecords = 24;
constexpr size_t kParameters = kShards * kPlaces;

// Faults come within this time of the start; then the network heals, and the job must end within
// the time after it.
constexpr core::Duration kTroubled = seconds(40);
constexpr core::Duration kToEnd = seconds(120);
constexpr core::Duration kToLeave = seconds(60);
// What is asked to make room has done so by then, unless it is paused or cut off.
constexpr core::Duration kToDrain = seconds(12);

// A model of that many parameters, which the toy replicas never compute.
const std::string& model_json() {
  static const std::string json = [] {
    Sequential model;
    model.add(Input({1})).add(Dense({.units = kParameters / 2}));
    return model.to_json();
  }();
  return json;
}

const Dataset& dataset() {
  static const Dataset records = [] {
    std::vector<float> x(kRecords);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
    return Dataset::from_arrays(x, std::vector<int32_t>(kRecords, 0), {1}, kParameters / 2);
  }();
  return records;
}

// Drawn from the job's seed, so that nothing else is drawn otherwise: two jobs of five train in
// rounds, two of three of these with backup workers.
bool has_rounds(uint64_t seed) { return seed / 16 % 5 < 2; }
// One of five has parameters of its own for each partition.
bool has_own_parameters(uint64_t seed) { return seed / 16 % 5 == 2; }
int64_t backups_of(uint64_t seed) { return static_cast<int64_t>(seed / 128 % 3); }
static_assert(kWorkers > 2, "a round must wait for somebody");

// Two of three jobs compress their pushes, one of two what is pulled. Of toy values bf16 and
// topk are exact: see encoding_model.h.
compression::Compression push_compression_of(uint64_t seed) {
  const char* const kinds[] = {"none", "topk:0.1", "bf16"};
  return *compression::Compression::parse(kinds[seed / 4096 % 3]);
}
compression::Compression pull_compression_of(uint64_t seed) {
  const char* const kinds[] = {"none", "topk:0.1", "none", "topk:0.3"};
  return *compression::Compression::parse(kinds[seed / 16384 % 4]);
}

// In half of the other jobs without averages workers wait for one another.
int64_t max_staleness_of(const wire::TrainingSpec& job) {
  if (job.trainer.algorithm->rounds) return -1;
  return job.seed % 4 == 1 ? static_cast<int64_t>(job.seed / 4 % 4) : -1;
}

// One, two or three.
int servers_of(const wire::TrainingSpec& job) {
  return 1 + static_cast<int>(job.seed / 1024 % kMostServers);
}

int shards_of(const wire::TrainingSpec& job) {
  return job.trainer.algorithm->own_parameters ? kShards * static_cast<int>(job.partitions)
                                               : kShards;
}

Rules rules_of(const wire::TrainingSpec& job) {
  Rules rules;
  rules.rounds = job.trainer.algorithm->rounds;
  if (rules.rounds) rules.backups = job.trainer.options.whole("backup_workers");
  const std::vector<int64_t> pushes = worker::pushes_by_partition(job);
  rules.pushes = std::accumulate(pushes.begin(), pushes.end(), int64_t{0});
  if (job.optimizer.use_ema) rules.ema_momentum = static_cast<double>(job.optimizer.ema_momentum);
  return rules;
}

// What goes wrong with a process, and when: with the n-th message of a kind that it has to do with.
struct Trigger {
  const char* method;
  int countdown;
  Fault fault;
};

constexpr const char* kMethods[] = {"Join",     "Acquire", "Fence", "Fetch",     "Pull",
                                    "Exchange", "Finish",  "Leave", "Heartbeat", "Move"};

class Scenario {
 public:
  Scenario(uint64_t seed, bool print);
  Outcome run();

 private:
  struct Observer final : driver::JobObserver {
    explicit Observer(Scenario& s) : scenario(s) {}
    void on_event(const driver::JobEvent& event) override { scenario.on_event(event); }
    Scenario& scenario;
  };
  using RunningWorker = Running<worker::Worker>;
  using RunningServer = Running<server::Server>;

  wire::TrainingSpec draw_job();
  void draw_triggers();
  void plan_commands();
  void plan_servers();
  void on_event(const driver::JobEvent& event);
  void on_move(const wire::MoveRequest& request);
  void kill_new_server();
  void command(const std::string& verb, const std::vector<std::string>& arguments = {});
  void start_driver();
  void start_server(int index);
  void start_worker(int index);
  void start_later(std::function<void()> start);
  Phase phase_of(const char* method, int64_t partition);
  void on_message(const char* method, int64_t partition, const std::string& from,
                  const std::string& to);
  void strike(Fault fault, const std::string& process, Phase phase);
  void kill(int worker, Phase phase);
  void drain(int worker, Phase phase);
  void pause(const std::string& process);
  void cut(const std::string& process);
  std::shared_ptr<Process> find(const std::string& name);
  bool everybody_left() const;
  void look();

  Simulation simulation_;
  Network network_;
  const wire::TrainingSpec job_;
  Checker checker_;
  Observer observer_{*this};
  std::vector<Trigger> triggers_;
  std::set<int64_t> taken_over_;  // partitions whose holder died
  std::string last_acquirer_;
  int64_t last_pid_ = 100;
  std::unique_ptr<Running<driver::Driver>> driver_;
  std::unique_ptr<wire::Listener> listener_;
  std::optional<Result<driver::JobResult>> result_;
  std::vector<std::unique_ptr<RunningServer>> servers_;
  std::vector<std::unique_ptr<RunningWorker>> workers_;  // by index
  std::vector<std::unique_ptr<RunningWorker>> dead_;     // destroyed outside their own tasks
  int servers_now_ = 0;                                  // that have shards
  // What is left until a server that is to get its first shards dies: messages of a move.
  int new_server_dies_in_ = 0;
  int64_t new_servers_died_ = 0;
  std::set<std::pair<int64_t, int>> asked_to_take_;  // revision, server
  int64_t late_joins_ = 0, slow_workers_ = 0, refusals_ = 0;
};

Scenario::Scenario(uint64_t seed, bool print)
    : simulation_(seed),
      network_(simulation_, {}),
      job_(draw_job()),
      checker_(simulation_, {worker::pushes_by_partition(job_), shards_of(job_), kRecords,
                             job_.epochs, rules_of(job_), job_.trainer.algorithm->own_parameters}) {
  if (print) simulation_.print_history();
  network_.phase_of = [this](const char* method, int64_t p) { return phase_of(method, p); };
  network_.watcher = &checker_.pushes();
  network_.on_message = [this](const char* method, int64_t partition, const std::string& from,
                               const std::string& to) { on_message(method, partition, from, to); };
  network_.on_move = [this](const wire::MoveRequest& request) { on_move(request); };
  draw_triggers();
}

wire::TrainingSpec Scenario::draw_job() {
  core::Rng& chance = simulation_.chance();
  wire::TrainingSpec job;
  job.model = model_json();
  job.losses = {"mse"};
  const auto window = static_cast<int64_t>(1 + chance.below(3));
  const bool overlap = simulation_.happens(0.3);
  job.batch_size = static_cast<int64_t>(1 + chance.below(2));
  job.epochs = static_cast<int>(2 + chance.below(4));
  job.seed = chance.next();
  if (has_rounds(job.seed)) {
    job.trainer = kSumOfRounds;
    job.trainer.set("backup_workers", backups_of(job.seed));
  } else if (has_own_parameters(job.seed)) {
    job.trainer = kSumOfOwn;
  } else {
    job.trainer = "downpour";  // pushes what a window changed, unscaled: whole numbers stay whole
    job.trainer.set("bound_gain", false);
    job.trainer.set("overlap", overlap);
  }
  job.trainer.set("window", window);
  job.push_compression = push_compression_of(job.seed);
  job.pull_compression = pull_compression_of(job.seed);
  // In every second job, and without a draw of its own.
  const bool may_average = !job.trainer.algorithm->own_parameters;
  if (job.seed % 2 == 0 && may_average)
    job.optimizer = SGD({.use_ema = true, .ema_momentum = 0.75f});
  job.dataset = *data::describe(*dataset().records());
  job.records = kRecords;
  job.partitions = static_cast<int64_t>(2 + chance.below(4));
  job.heartbeat_interval = milliseconds(500);
  job.server_timeout = seconds(15);
  job.driver_timeout = seconds(15);
  return job;
}

void Scenario::draw_triggers() {
  core::Rng& chance = simulation_.chance();
  const uint64_t count = chance.below(5);
  for (uint64_t i = 0; i < count; ++i) {
    const char* method = kMethods[chance.below(std::size(kMethods))];
    const bool often =
        std::string_view(method) == "Exchange" || std::string_view(method) == "Heartbeat";
    constexpr Fault kStrikes[] = {Fault::kDeath, Fault::kDeath, Fault::kDrain,
                                  Fault::kDrain, Fault::kPause, Fault::kCut};
    triggers_.push_back({method, static_cast<int>(1 + chance.below(often ? 60 : 6)),
                         kStrikes[chance.below(std::size(kStrikes))]});
  }
}

// People pause two of three jobs for some seconds, once or twice, and change the learning rate of
// all, and twice how far workers may be apart, where they wait for one another; in rounds they are
// refused. Drawn apart from everything else.
void Scenario::plan_commands() {
  core::Rng chance(job_.seed, {2026});
  const auto draw = [&chance](int most_s) {
    return milliseconds(chance.below(1000 * static_cast<uint64_t>(most_s)));
  };
  core::Duration at{};
  for (uint64_t pauses = chance.below(3); pauses > 0; --pauses) {
    at += draw(6);
    simulation_.after(at, nullptr, [this] { command("pause"); });
    at += draw(10);
    simulation_.after(at, nullptr, [this] { command("resume"); });
  }
  simulation_.after(draw(5), nullptr, [this] { command("set", {"learning-rate", "0.5"}); });
  const bool rounds = job_.trainer.algorithm->rounds;
  for (int changes = rounds || max_staleness_of(job_) >= 0 ? 2 : 0; changes > 0; --changes) {
    const uint64_t windows = chance.below(5);
    const std::string bound = windows == 4 ? "none" : std::to_string(windows);
    simulation_.after(draw(8), nullptr, [this, bound] {
      command("set", {"max-staleness", bound});
    });
  }
}

// In half of the jobs they want more or fewer servers, once or several times. Likewise.
void Scenario::plan_servers() {
  core::Rng chance(job_.seed, {2027});
  if (chance.below(2) == 0) return;
  core::Duration at = milliseconds(500);
  for (uint64_t times = 1 + chance.below(3); times > 0; --times) {
    at += milliseconds(chance.below(5000));
    const std::string servers = "servers=" + std::to_string(1 + chance.below(kMostServers + 1));
    simulation_.after(at, nullptr, [this, servers] { command("scale", {servers}); });
  }
  if (chance.below(4) == 0) new_server_dies_in_ = static_cast<int>(1 + chance.below(6));
}

void Scenario::on_event(const driver::JobEvent& event) {
  checker_.on_event(event);
  if (std::holds_alternative<driver::TrainingStarted>(event.what)) servers_now_ = servers_of(job_);
  if (const auto* changed = std::get_if<driver::ServersChanged>(&event.what)) {
    servers_now_ = changed->to;
  }
  const auto* wanted = std::get_if<driver::ServersWanted>(&event.what);
  for (int index = servers_now_; wanted != nullptr && index < wanted->servers; ++index) {
    const auto is_there = [index](const auto& server) {
      const std::string name = "server" + std::to_string(index);
      const bool same =
          server->process->name() == name || server->process->name().starts_with(name + ".");
      return same && server->process->alive() && !server->ended;
    };
    if (std::ranges::any_of(servers_, is_there)) continue;
    start_later([this, index] { start_server(index); });
  }
}

// Once all have taken their shards, a server that dies takes the job with it.
void Scenario::on_move(const wire::MoveRequest& request) {
  const bool takes = request.step == wire::MoveStep::kTake;
  const bool first = takes && asked_to_take_.emplace(request.revision, request.next.server).second;
  const bool before = request.step == wire::MoveStep::kFreeze || first;
  if (before && new_server_dies_in_ > 0 && --new_server_dies_in_ == 0) kill_new_server();
}

void Scenario::kill_new_server() {
  for (const auto& [id, member] : driver_->role->members()) {
    const bool is_new = member.name.role == wire::Role::kServer && member.alive &&
                        member.name.index >= servers_now_;
    if (!is_new) continue;
    const auto its = std::ranges::find_if(servers_, [&, &its_name = member.name](const auto& one) {
      return one->process->facts() == its_name.process && one->role;
    });
    if (its == servers_.end()) continue;
    ++new_servers_died_;
    RunningServer& server = **its;
    simulation_.record("kill " + server.process->name());
    server.process->kill();
    // Not within its own message.
    simulation_.after(core::Duration(0), nullptr, [this, &server] {
      server.role.reset();
      if (simulation_.happens(0.5)) {
        driver_->role->process_ended(server.process->facts().pid, "was killed by signal 9");
      }
    });
    return;
  }
}

void Scenario::command(const std::string& verb, const std::vector<std::string>& arguments) {
  if (result_) return;
  simulation_.record("people: " + verb);
  const bool refused =
      job_.trainer.algorithm->rounds && !arguments.empty() && arguments.front() == "max-staleness";
  driver_->role->command(
      {verb, arguments, {}}, [this, refused](const Result<wire::CommandReply>& reply) {
        if (!refused) return;
        ++refusals_;
        if (reply.ok()) checker_.violation("max-staleness was set in a job that trains in rounds");
      });
}

void Scenario::start_later(std::function<void()> start) {
  simulation_.after(simulation_.between(milliseconds(1), milliseconds(500)), nullptr,
                    std::move(start));
}

void Scenario::start_driver() {
  driver_ = std::make_unique<Running<driver::Driver>>(simulation_, network_, "driver", ++last_pid_);
  driver::DriverOptions options;
  options.training = job_;
  options.update_rule = job_.trainer.to_update_rule(job_.optimizer);
  options.max_staleness = max_staleness_of(job_);
  options.pushes = worker::pushes_by_partition(job_);
  options.servers = servers_of(job_);
  options.shards = shards_of(job_);
  options.lease_timeout = seconds(3);
  options.stall_timeout = seconds(8);
  const std::vector<float> initial(static_cast<size_t>(shards_of(job_)) * kPlaces);
  driver_->role.emplace(driver_->world, *driver_->transport, options, dataset().records(), initial,
                        observer_);
  listener_ = *driver_->transport->listen("driver:1", &*driver_->role);
  driver_->role->start([this](Result<driver::JobResult> result) { result_ = std::move(result); });
}

void Scenario::start_server(int index) {
  if (result_) return;
  ++last_pid_;
  const std::string name =
      "server" + std::to_string(index) +
      (index < servers_of(job_) && servers_now_ == 0 ? "" : "." + std::to_string(last_pid_));
  servers_.push_back(std::make_unique<RunningServer>(simulation_, network_, name, last_pid_));
  RunningServer& server = *servers_.back();
  server::ServeOptions options;
  options.driver = "driver:1";
  options.listen = name + ":1";
  server.role.emplace(server.world, *server.transport, options,
                      [&server](Status why) { server.ended = std::move(why); });
  server.role->start();
}

void Scenario::start_worker(int index) {
  if (result_) return;
  const std::string name = "worker" + std::to_string(index) + "." + std::to_string(++last_pid_);
  auto started = std::make_unique<RunningWorker>(simulation_, network_, name, last_pid_);
  RunningWorker& worker = *started;
  if (workers_[static_cast<size_t>(index)]) {
    dead_.push_back(std::move(workers_[static_cast<size_t>(index)]));
  }
  workers_[static_cast<size_t>(index)] = std::move(started);
  simulation_.record("start " + name);
  ToyOptions times;
  if (simulation_.happens(0.25)) {
    ++slow_workers_;
    const int64_t slower = 2 + static_cast<int64_t>(simulation_.chance().below(9));
    times.shortest_step *= slower;
    times.longest_step *= slower;
  }
  worker::WorkerParts parts;
  parts.open_backend = [this, times](const backend::DeviceOptions&) {
    return Result(make_toy_backend(simulation_, times));
  };
  worker.role.emplace(worker.world, *worker.transport,
                      worker::WorkerOptions{"driver:1", index, "", seconds(60)}, parts,
                      [this, &worker, index](Status why) {
                        simulation_.record(worker.process->name() + " ended: " + why.to_string());
                        worker.ended = std::move(why);
                        if (result_ || checker_.ending()) return;
                        start_later([this, index] { start_worker(index); });
                      });
  worker.role->start();
}

// --- Faults ---

Phase Scenario::phase_of(const char* method, int64_t partition) {
  const std::string_view name(method);
  if (checker_.ending()) return Phase::kEnd;
  if (name == "Acquire") return Phase::kRaise;
  if (name == "Fence") {
    return taken_over_.contains(partition) ? Phase::kTakeover : Phase::kFence;
  }
  if (!checker_.training()) return Phase::kJoining;
  if (name == "Move") return Phase::kMove;
  return taken_over_.contains(partition) ? Phase::kTakeover : Phase::kExchange;
}

void Scenario::on_message(const char* method, int64_t partition, const std::string& from,
                          const std::string& to) {
  if (simulation_.now() > TimePoint(seconds(1000)) + kTroubled) return;
  const std::string_view name(method);
  if (name == "Acquire" && to == "driver") last_acquirer_ = from;
  for (Trigger& trigger : triggers_) {
    if (name != trigger.method || --trigger.countdown != 0) continue;
    // Of a fence, the worker that waits for it, the driver or the server.
    std::string victim = simulation_.happens(0.5) ? from : to;
    if (name == "Fence" && simulation_.happens(0.5)) victim = last_acquirer_;
    if (name == "Move" && simulation_.happens(0.5)) victim = last_acquirer_;
    const Fault fault = trigger.fault;
    simulation_.after(simulation_.between(core::Duration(0), milliseconds(3)), nullptr,
                      [this, fault, victim, phase = phase_of(method, partition)] {
                        strike(fault, victim, phase);
                      });
  }
}

void Scenario::strike(Fault fault, const std::string& victim, Phase phase) {
  const auto process = find(victim);
  if (!process || !process->alive()) return;
  if (fault == Fault::kDeath || fault == Fault::kDrain) {
    for (int index = 0; index < kWorkers + kLateWorkers; ++index) {
      const auto& worker = workers_[static_cast<size_t>(index)];
      if (!worker || worker->process != process || worker->ended) continue;
      ++network_.faults().at(fault, phase);
      return fault == Fault::kDeath ? kill(index, phase) : drain(index, phase);
    }
    return;
  }
  if (fault == Fault::kPause) {
    ++network_.faults().at(fault, phase);
    return pause(victim);
  }
  cut(victim);
}

void Scenario::kill(int index, Phase phase) {
  auto& worker = workers_[static_cast<size_t>(index)];
  simulation_.record("kill " + worker->process->name());
  worker->process->kill();
  for (const auto& [id, member] : driver_->role->members()) {
    if (member.alive && member.name.process == worker->process->facts()) {
      taken_over_.insert(member.partition);
    }
  }
  worker->role.reset();
  // A launcher on the driver's own host says so at once; of others nobody hears.
  if (simulation_.happens(0.5)) {
    driver_->role->process_ended(worker->process->facts().pid, "was killed by signal 9");
  }
  start_later([this, index, phase] {
    if (result_) return;
    ++network_.faults().at(Fault::kRestart, phase);
    start_worker(index);
  });
}

// Somebody wants the machine for something else, and gives it back later.
void Scenario::drain(int index, Phase) {
  RunningWorker& worker = *workers_[static_cast<size_t>(index)];
  simulation_.record("drain " + worker.process->name());
  worker.role->drain("stopped by SIGTERM");
  const auto process = worker.process;
  simulation_.after(kToDrain, nullptr, [this, index, process] {
    const auto& now = workers_[static_cast<size_t>(index)];
    const bool there = now && now->process == process && process->alive() && !now->ended;
    const bool excused = process->paused_until() + kToDrain > simulation_.now();
    if (there && !excused) checker_.violation(process->name() + " has not made room");
  });
}

void Scenario::pause(const std::string& victim) {
  const bool worker = victim.starts_with("worker");
  const auto time = simulation_.between(milliseconds(10), worker ? seconds(6) : seconds(3));
  simulation_.record("pause " + victim + " for " + std::to_string(core::to_seconds(time)) + " s");
  find(victim)->pause_until(simulation_.now() + time);
}

// One way or both, between it and one of those that it talks to.
void Scenario::cut(const std::string& victim) {
  const bool worker = victim.starts_with("worker");
  const std::string peer =
      !servers_.empty() && (victim == "driver" || (worker && simulation_.happens(0.5)))
          ? servers_[simulation_.chance().below(servers_.size())]->process->name()
          : "driver";
  const TimePoint until =
      simulation_.now() + simulation_.between(milliseconds(50), worker ? seconds(8) : seconds(3));
  const uint64_t way = simulation_.chance().below(3);
  if (way != 0) network_.cut(victim, peer, until);
  if (way != 1) network_.cut(peer, victim, until);
}

std::shared_ptr<Process> Scenario::find(const std::string& name) {
  if (name == "driver") return driver_->process;
  for (const auto& server : servers_) {
    if (server->process->name() == name) return server->process;
  }
  for (const auto& worker : workers_) {
    if (worker && worker->process->name() == name) return worker->process;
  }
  return nullptr;
}

// --- The course of a job ---

void Scenario::look() {
  if (result_) return;
  checker_.look(driver_->process->paused_until() + seconds(1) > simulation_.now());
  simulation_.after(milliseconds(500), nullptr, [this] { look(); });
}

bool Scenario::everybody_left() const {
  const auto left = [](const auto& running) {
    return !running || running->ended || !running->process->alive();
  };
  return std::all_of(servers_.begin(), servers_.end(), left) &&
         std::all_of(workers_.begin(), workers_.end(), left);
}

Outcome Scenario::run() {
  const TimePoint start = simulation_.now();
  workers_.resize(kWorkers + kLateWorkers);
  start_driver();
  for (int i = 0; i < servers_of(job_); ++i) start_later([this, i] { start_server(i); });
  for (int i = 0; i < kWorkers; ++i) start_later([this, i] { start_worker(i); });
  for (int i = 0; i < kLateWorkers; ++i) {
    if (!simulation_.happens(0.4)) continue;
    simulation_.after(simulation_.between(seconds(1), seconds(6)), nullptr, [this, i] {
      if (result_) return;
      ++late_joins_;
      start_worker(kWorkers + i);
    });
  }
  plan_commands();
  plan_servers();
  look();
  simulation_.run_until([this] { return result_.has_value(); }, start + kTroubled);
  network_.heal();
  if (!simulation_.run_until([this] { return result_.has_value(); }, start + kTroubled + kToEnd)) {
    checker_.violation("the job has not ended");
  } else {
    checker_.check_result(*result_);
    const TimePoint leave_by = simulation_.now() + kToLeave;
    if (!simulation_.run_until([this] { return everybody_left(); }, leave_by)) {
      checker_.violation("somebody has not left");
    }
  }
  Outcome outcome;
  outcome.violations = checker_.violations();
  outcome.history_hash = simulation_.history_hash();
  outcome.events = simulation_.events();
  outcome.simulated_s = core::to_seconds(simulation_.now() - start);
  outcome.faults = network_.faults();
  outcome.late_joins = late_joins_;
  outcome.slow_workers = slow_workers_;
  outcome.leases_cut = checker_.leases_cut();
  outcome.rounds = rules_of(job_).rounds ? 1 : 0;
  outcome.backups = rules_of(job_).backups > 0 ? 1 : 0;
  outcome.own_parameters = job_.trainer.algorithm->own_parameters ? 1 : 0;
  outcome.superseded = checker_.pushes().superseded();
  outcome.refusals = refusals_;
  outcome.moves = checker_.pushes().moves();
  outcome.settled = checker_.pushes().settled();
  outcome.new_servers_died = new_servers_died_;
  outcome.encoded = checker_.pushes().encodings().encoded();
  outcome.differences = checker_.pushes().encodings().differences();
  // Listeners before the services behind them, and members before their driver.
  dead_.clear();
  workers_.clear();
  servers_.clear();
  listener_.reset();
  driver_.reset();
  return outcome;
}

}  // namespace

Outcome& Outcome::operator+=(const Outcome& other) {
  events += other.events;
  simulated_s += other.simulated_s;
  faults += other.faults;
  late_joins += other.late_joins;
  slow_workers += other.slow_workers;
  leases_cut += other.leases_cut;
  rounds += other.rounds;
  backups += other.backups;
  own_parameters += other.own_parameters;
  superseded += other.superseded;
  refusals += other.refusals;
  moves += other.moves;
  settled += other.settled;
  new_servers_died += other.new_servers_died;
  encoded += other.encoded;
  differences += other.differences;
  return *this;
}

Outcome run_scenario(uint64_t seed, bool print) {
  register_toy_algorithms();
  Outcome outcome = Scenario(seed, print).run();
  outcome.seed = seed;
  return outcome;
}

}  // namespace sluice::simulator
