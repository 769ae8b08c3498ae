#include "launch/signals.h"

#include <semaphore.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "core/standard_error.h"

namespace sluice::launch {
namespace {

// Signal handlers can reach nothing but globals.
std::atomic<int> g_signal{0};
std::atomic<int> g_signals{0};
sem_t g_came;  // made once and never destroyed: a handler may still run when its Watch has gone

// Left to the process's very end: the watching thread may need them until then.
struct Folders {
  std::mutex mutex;
  std::set<std::string> names;  // guarded by mutex
};
Folders& folders() {
  static auto* const folders = new Folders;
  return *folders;
}

void on_signal(int signal) {
  const int before = g_signals.fetch_add(1);
  if (before >= 2) _exit(128 + signal);  // whoever is that impatient gets no tidying up
  g_signal = signal;
  const int error = errno;
  sem_post(&g_came);
  errno = error;
}

bool at_default(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

void handle(int signal) {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

bool is_ours(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == on_signal;
}

void wait_for_signal() {
  while (sem_wait(&g_came) != 0) {
  }
}

// By a clock that nobody sets.
void wait_for_signal(core::Duration at_most) {
  timespec until{};
  clock_gettime(CLOCK_MONOTONIC, &until);
  const int64_t ns = until.tv_nsec + at_most.count();
  until.tv_sec += ns / 1'000'000'000;
  until.tv_nsec = ns % 1'000'000'000;
  while (sem_clockwait(&g_came, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR) {
  }
}

// What all StopSignals that exist share: handlers, and a thread that may do what a handler may not,
// whatever the others are stuck in.
class Watch {
 public:
  explicit Watch(StopSignalsOptions options) : options_(std::move(options)) {
    static std::once_flag made;
    std::call_once(made, [] { sem_init(&g_came, 0, 0); });
    while (sem_trywait(&g_came) == 0) {  // what an earlier Watch has left
    }
    g_signal = 0;
    g_signals = 0;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the other threads
    thread_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) {
      if (!at_default(signal)) continue;
      handle(signal);
      taken_.push_back(signal);
    }
  }
  ~Watch() {
    for (const int signal : taken_) {
      if (is_ours(signal)) std::signal(signal, SIG_DFL);
    }
    over_ = true;
    sem_post(&g_came);
    thread_.join();
  }

  std::stop_token token() const { return stop_.get_token(); }

 private:
  void run() {
    wait_for_signal();
    if (over_) return;
    stop_.request_stop();
    const bool asked = g_signal == SIGTERM && options_.grace_after_sigterm;
    const auto grace = asked ? options_.grace_after_sigterm : options_.grace;
    grace ? wait_for_signal(*grace) : wait_for_signal();
    if (over_) return;
    core::write_to_standard_error(options_.last_words);
    // Nobody may forget a folder from here on: this process is about to end.
    folders().mutex.lock();
    for (const std::string& name : folders().names) {
      std::error_code ignored;
      std::filesystem::remove_all(name, ignored);
    }
    _exit(StopSignals::exit_status());
  }

  const StopSignalsOptions options_;
  std::stop_source stop_;
  std::vector<int> taken_;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

struct Shared {
  std::mutex mutex;
  int users = 0;               // guarded by mutex
  std::optional<Watch> watch;  // guarded by mutex
};
Shared& shared() {
  static auto* const shared = new Shared;  // a program may end while it trains
  return *shared;
}

}  // namespace

StopSignals::StopSignals(const StopSignalsOptions& options) {
  std::lock_guard lock(shared().mutex);
  if (shared().users++ == 0) shared().watch.emplace(options);
  token_ = shared().watch->token();
}

StopSignals::~StopSignals() {
  std::lock_guard lock(shared().mutex);
  if (--shared().users == 0) shared().watch.reset();
}

int StopSignals::signal() { return g_signal.load(); }

std::string StopSignals::name() {
  const char* abbreviation = sigabbrev_np(signal());
  return abbreviation == nullptr ? std::to_string(signal()) : std::string("SIG") + abbreviation;
}

void remove_at_end(const std::string& folder) {
  std::lock_guard lock(folders().mutex);
  folders().names.insert(folder);
}

void forget_at_end(const std::string& folder) {
  std::lock_guard lock(folders().mutex);
  folders().names.erase(folder);
}

}  // namespace sluice::launch
