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

#include "core/standard_error.h"

namespace sluice::launch {
namespace {

// Signal handlers can reach nothing but globals.
std::atomic<int> g_signal{0};
std::atomic<int> g_signals{0};
sem_t g_came;

// Left to the process's very end, as the folders.
std::stop_source& stop_source() {
  static auto* const source = new std::stop_source;
  return *source;
}

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

void handle(int signal) {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

bool ignored(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}

void wait_for_signal() {
  while (sem_wait(&g_came) != 0) {
  }
}

// Until the next signal or the end of the grace, by a clock that nobody sets.
void wait_for_the_end(core::Duration grace) {
  timespec until{};
  clock_gettime(CLOCK_MONOTONIC, &until);
  const int64_t ns = until.tv_nsec + grace.count();
  until.tv_sec += ns / 1'000'000'000;
  until.tv_nsec = ns % 1'000'000'000;
  while (sem_clockwait(&g_came, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR) {
  }
}

// A thread may do what a signal handler may not, and does it whatever the others are stuck in.
void watch(core::Duration grace, const std::string& last_words) {
  wait_for_signal();
  stop_source().request_stop();
  wait_for_the_end(grace);
  core::write_to_standard_error(last_words);
  // Nobody may forget a folder from here on: this process is about to end.
  folders().mutex.lock();
  for (const std::string& name : folders().names) {
    std::error_code ignored;
    std::filesystem::remove_all(name, ignored);
  }
  _exit(signal_exit_status());
}

}  // namespace

std::stop_token stop_on_signals(core::Duration grace, const std::string& last_words) {
  static std::once_flag once;
  std::call_once(once, [&] {
    sem_init(&g_came, 0, 0);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the other threads
    std::thread(watch, grace, last_words).detach();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  });
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (!ignored(signal)) handle(signal);
  }
  return stop_source().get_token();
}

int signal_exit_status() { return 128 + g_signal.load(); }

std::string signal_name() {
  const char* abbreviation = sigabbrev_np(g_signal.load());
  return abbreviation == nullptr ? std::to_string(g_signal.load())
                                 : std::string("SIG") + abbreviation;
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
