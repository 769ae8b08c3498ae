// A worker in a process of its own (programs/worker.cc), and what is said to it over a socket: what
// headers would say over the network.
#pragma once

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "memory/door.h"
#include "tests/support/process.h"

namespace sluice::memory {

// Of an exchange, there and back.
struct Header {
  uint64_t token = 0;
  uint64_t call = 0;
  Place place;
  uint64_t sequence = 0;  // what every float of the update is, or of the values
  uint64_t write_on = 0;  // in an answer, 1: write the next update until you are killed
};

inline std::vector<std::string> arguments_of(const Doorplate& plate) {
  return {plate.machine, plate.name, std::to_string(plate.key[0]), std::to_string(plate.key[1])};
}

class WorkerProcess {
 public:
  explicit WorkerProcess(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     testing_support::program_beside_this("memory_worker_program"));
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return;
    socket_ = core::Descriptor(ends[0]);
    const core::Descriptor its_own(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, its_own.get(), STDIN_FILENO);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    if (::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
  }
  ~WorkerProcess() { end(SIGKILL); }
  WorkerProcess(const WorkerProcess&) = delete;

  // False: it has ended, or, with MSG_DONTWAIT, says nothing now.
  bool hear(Header& header, int flags = 0) const {
    return ::recv(socket_.get(), &header, sizeof header, flags) == sizeof header;
  }
  bool answer(const Header& header) const {
    return ::send(socket_.get(), &header, sizeof header, MSG_NOSIGNAL) == sizeof header;
  }
  // Its status as waitpid(2) gives it; 0: none.
  int end(int signal) {
    if (pid_ <= 0) return 0;
    int status = 0;
    ::kill(pid_, signal);
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  core::Descriptor socket_;
};

}  // namespace sluice::memory
