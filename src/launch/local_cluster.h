// The servers and workers of a job as child processes on this machine, talking over Unix sockets.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "core/world.h"
#include "driver/driver.h"
#include "launch/child_processes.h"
#include "launch/roles.h"
#include "launch/socket_folder.h"
#include "sluice/status.h"

namespace sluice::launch {

struct LocalClusterOptions {
  std::string program = "sluice";  // argv[0] of the children
  std::string log_level = "warn";
  int servers = 1;
  int workers = 1;
  int max_restarts = 3;  // dead workers that are replaced, in all
  // Where the folder of sockets may be, best first.
  std::vector<std::string> places = socket_places();
};

// Thread-safe; children belong to a strand of its own. Its folder of sockets goes with it.
class LocalCluster {
 public:
  // Makes the folder that the sockets will be in, readable by this user only, and removes those
  // that clusters left whose process was killed. UNAVAILABLE, with what is wrong with each place.
  static Result<std::unique_ptr<LocalCluster>> create(LocalClusterOptions options);
  LocalCluster(const LocalCluster&) = delete;
  ~LocalCluster();

  // Where the driver should listen.
  std::string driver_address() const { return "unix:" + folder_.path() + "/driver"; }

  // Starts the children, and tells `driver`, which outlives the cluster's last child, when one has
  // ended; dead workers are replaced, unless a stop was requested, and the job is aborted when
  // nobody is left to do the work. Returns when all have been started, or one could not be.
  Status start(const std::string& driver_address, driver::Driver& driver, std::stop_token stop);
  // What happens in the job: nobody is replaced when it ends, whoever is stuck is killed, and so is
  // a server that was given up; when more workers or servers are wanted, they are started, also for
  // those that the job has given up, and when fewer workers are, the last ones are asked to make
  // room. The driver is told how many there shall be.
  void on_event(const driver::JobEvent& event);
  // Asks the children to end; stop() waits for that, and kills them after `grace`. Nobody is
  // replaced any more.
  void terminate();
  void stop(core::Duration grace);

 private:
  LocalCluster(LocalClusterOptions options, SocketFolder folder);
  // On the strand:
  Status start_all();
  Result<pid_t> start_child(const std::string& role, const RoleOptions& options);
  Status start_server(int index);
  Status start_worker(int index);
  void start_servers(int servers);
  void child_ended(const ChildProcesses::Ended& ended);
  void server_ended(const ChildProcesses::Ended& ended);
  void worker_ended(int index, const ChildProcesses::Ended& ended);
  void member_ended(const driver::MemberEnded& ended);
  void scale(int workers);
  void want(int workers);
  void start_missing();

  const LocalClusterOptions options_;
  const SocketFolder folder_;
  const std::shared_ptr<core::Strand> strand_;
  std::string driver_address_;
  driver::Driver* driver_ = nullptr;
  std::stop_token stop_;
  int wanted_ = 0;                // workers; those that nobody replaces are not
  std::map<pid_t, int> servers_;  // running and not given up, with their index
  std::set<pid_t> joined_servers_;
  std::map<int, int> servers_started_;       // how often, by index
  std::map<pid_t, int> workers_;             // running, with their index
  std::set<pid_t> refused_;                  // another of their kind would be too
  std::set<pid_t> leaving_;                  // asked to make room: they are not replaced
  std::set<pid_t> unheard_;                  // run, but the job has given them up
  std::map<pid_t, std::string> last_words_;  // "gave up: ..." of those that are about to end
  int restarts_ = 0;
  bool ending_ = false;
  ChildProcesses children_;
};

}  // namespace sluice::launch
