#include "launch/local_cluster.h"

#include <fmt/core.h>

#include <future>
#include <utility>

#include "core/log.h"
#include "core/real_world.h"

namespace sluice::launch {

namespace {

pid_t pid_of(const driver::MemberName& member) { return static_cast<pid_t>(member.process.pid); }

}  // namespace

LocalCluster::LocalCluster(LocalClusterOptions options, SocketFolder folder)
    : options_(std::move(options)),
      folder_(std::move(folder)),
      strand_(core::real_world().make_strand("cluster")),
      children_([this](const ChildProcesses::Ended& ended) {
        strand_->post([this, ended] { child_ended(ended); });
      }) {}

Result<std::unique_ptr<LocalCluster>> LocalCluster::create(LocalClusterOptions options) {
  SLUICE_ASSIGN_OR_RETURN(SocketFolder folder, make_socket_folder(options.places));
  return std::unique_ptr<LocalCluster>(new LocalCluster(std::move(options), std::move(folder)));
}

LocalCluster::~LocalCluster() {
  stop(std::chrono::milliseconds(500));
  strand_->close();
}

void LocalCluster::terminate() {
  strand_->post([this] { ending_ = true; });
  children_.terminate();
}

void LocalCluster::stop(core::Duration grace) {
  strand_->post([this] { ending_ = true; });
  children_.stop(grace);
}

// On the strand, whose thread lives as long as the children shall.
Status LocalCluster::start(const std::string& driver_address, driver::Driver& driver,
                           std::stop_token stop) {
  std::promise<Status> started;
  strand_->post([&] {
    driver_address_ = driver_address;
    driver_ = &driver;
    stop_ = std::move(stop);
    started.set_value(start_all());
  });
  return started.get_future().get();
}

Status LocalCluster::start_all() {
  for (int i = 0; i < options_.servers; ++i) SLUICE_RETURN_IF_ERROR(start_server(i));
  wanted_ = options_.workers;
  for (int i = 0; i < options_.workers; ++i) SLUICE_RETURN_IF_ERROR(start_worker(i));
  return ok_status();
}

Result<pid_t> LocalCluster::start_child(const std::string& role, const RoleOptions& options) {
  // Several processes share the cores: a thread that waits in OpenMP must not spin on one that
  // another worker could use. OpenMP reads this when it is loaded.
  return children_.start(child_arguments(options_.program, role, options, options_.log_level),
                         {"OMP_WAIT_POLICY=passive"});
}

Status LocalCluster::start_server(int index) {
  RoleOptions role;
  role.driver = driver_address_;
  // The socket of one that had this index before may still be there.
  const int times = servers_started_[index]++;
  const std::string name = times == 0 ? "" : fmt::format("-{}", times);
  role.listen = fmt::format("unix:{}/server-{}{}", folder_.path(), index, name);
  role.index = index;
  SLUICE_ASSIGN_OR_RETURN(const pid_t pid, start_child("server", role));
  servers_[pid] = index;
  return ok_status();
}

Status LocalCluster::start_worker(int index) {
  RoleOptions role;
  role.driver = driver_address_;
  role.index = index;
  SLUICE_ASSIGN_OR_RETURN(const pid_t pid, start_child("worker", role));
  workers_[pid] = index;
  return ok_status();
}

void LocalCluster::child_ended(const ChildProcesses::Ended& ended) {
  driver_->process_ended(ended.pid, ended.fate);
  const auto it = workers_.find(ended.pid);
  if (it == workers_.end()) return server_ended(ended);
  const int index = it->second;
  workers_.erase(it);
  unheard_.erase(ended.pid);
  // While the job goes on, exit status 0 is a death like any other: something in the program has
  // called exit(). Whoever the same signal has ended is not to be replaced.
  if (!ending_ && !stop_.stop_requested()) worker_ended(index, ended);
}

// The driver hears of those that have joined. Before that, a server is nobody that it could miss.
void LocalCluster::server_ended(const ChildProcesses::Ended& ended) {
  const auto server = servers_.extract(ended.pid);
  const bool joined = joined_servers_.erase(ended.pid) > 0;
  if (ending_ || server.empty() || joined) return;
  const std::string what = fmt::format("a parameter server (pid {}) {}", ended.pid, ended.fate);
  if (server.mapped() < options_.servers) {
    driver_->abort(what);
  } else {
    driver_->server_missing(what);
  }
}

void LocalCluster::worker_ended(int index, const ChildProcesses::Ended& ended) {
  const bool refused = refused_.erase(ended.pid) > 0;
  const auto said = last_words_.extract(ended.pid);
  if (leaving_.erase(ended.pid) > 0) {
    start_missing();
  } else if (restarts_ < options_.max_restarts && !refused) {
    ++restarts_;
    SLUICE_LOG(warn, "starting worker {} again ({} of at most {} restarts)", index, restarts_,
               options_.max_restarts);
    const Status started = start_worker(index);
    if (!started.ok()) SLUICE_LOG(error, "{}", started.message());
  } else {
    want(wanted_ - 1);
  }
  if (workers_.empty()) {
    driver_->abort(fmt::format("every worker is gone; the last one, worker {} (pid {}), {}", index,
                               ended.pid, said.empty() ? ended.fate : said.mapped()));
  }
}

void LocalCluster::on_event(const driver::JobEvent& event) {
  if (std::holds_alternative<driver::JobEnding>(event.what) ||
      std::holds_alternative<driver::JobStopping>(event.what)) {
    strand_->post([this] { ending_ = true; });
  } else if (const auto* joined = std::get_if<driver::MemberJoined>(&event.what)) {
    strand_->post([this, pid = pid_of(joined->who)] {
      unheard_.erase(pid);
      if (servers_.contains(pid)) joined_servers_.insert(pid);
    });
  } else if (const auto* ended = std::get_if<driver::MemberEnded>(&event.what)) {
    strand_->post([this, ended = *ended] { member_ended(ended); });
  } else if (const auto* wanted = std::get_if<driver::WorkersWanted>(&event.what)) {
    strand_->post([this, workers = wanted->workers] { scale(workers); });
  } else if (const auto* servers = std::get_if<driver::ServersWanted>(&event.what)) {
    strand_->post([this, count = servers->servers] { start_servers(count); });
  }
}

// Those that are too many leave by themselves.
void LocalCluster::start_servers(int servers) {
  if (ending_ || stop_.stop_requested()) return;
  std::set<int> there;
  for (const auto& [pid, index] : servers_) there.insert(index);
  for (int index = 0; index < servers; ++index) {
    if (there.contains(index)) continue;
    if (const Status started = start_server(index); !started.ok()) {
      return driver_->server_missing(started.message());
    }
  }
}

void LocalCluster::scale(int workers) {
  if (ending_ || stop_.stop_requested()) return;
  want(workers);
  for (const pid_t pid : std::exchange(unheard_, {})) {  // another comes in its place
    leaving_.insert(pid);
    children_.kill(pid);
  }
  std::map<int, pid_t> staying;  // by index
  for (const auto& [pid, index] : workers_) {
    if (!leaving_.contains(pid)) staying.emplace(index, pid);
  }
  for (; std::ssize(staying) > wanted_; staying.erase(std::prev(staying.end()))) {
    leaving_.insert(staying.rbegin()->second);
    children_.terminate(staying.rbegin()->second);
  }
  start_missing();
}

// What there shall be is known here: a worker that nobody replaces is not waited for.
void LocalCluster::want(int workers) {
  wanted_ = workers;
  driver_->workers_wanted(workers);
}

// Not before those that leave are gone, in whose place they come: the job may not have more.
void LocalCluster::start_missing() {
  std::set<int> taken;
  for (const auto& [pid, index] : workers_) taken.insert(index);
  for (int index = 0; std::ssize(workers_) < wanted_; ++index) {
    if (taken.contains(index)) continue;
    if (const Status started = start_worker(index); !started.ok()) {
      SLUICE_LOG(error, "{}", started.message());
      want(static_cast<int>(workers_.size()));
    }
  }
}

void LocalCluster::member_ended(const driver::MemberEnded& ended) {
  const pid_t pid = pid_of(ended.who);
  if (servers_.erase(pid) > 0) {
    // Another may come in its place. One that is only slow would come back.
    joined_servers_.erase(pid);
    if (ended.how == driver::MemberEnded::How::kUnheard) children_.kill(pid);
    return;
  }
  if (!workers_.contains(pid)) return;
  if (ended.how == driver::MemberEnded::How::kUnheard) unheard_.insert(pid);
  if (ended.how == driver::MemberEnded::How::kRefused) refused_.insert(pid);
  if (ended.how == driver::MemberEnded::How::kRefused ||
      ended.how == driver::MemberEnded::How::kGaveUp) {
    last_words_[pid] = ended.fate;
  }
  // Where it was not asked to by us, somebody wants one worker less.
  if (ended.how == driver::MemberEnded::How::kDrained && leaving_.insert(pid).second) {
    want(wanted_ - 1);
  }
  if (ended.how == driver::MemberEnded::How::kStuck) children_.kill(pid);
}

}  // namespace sluice::launch
