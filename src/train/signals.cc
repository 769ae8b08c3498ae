#include "train/signals.h"

#include <unistd.h>

#include <csignal>

namespace sluice::train {
namespace {

// Signal handlers can reach nothing but globals.
std::atomic<bool> g_stop{false};
std::atomic<int> g_signal{0};
std::atomic<int> g_grace_s{1};

void on_signal(int signal) {
  if (g_stop.exchange(true)) _exit(128 + signal);
  g_signal = signal;
  alarm(static_cast<unsigned>(g_grace_s.load()));
}

void on_alarm(int) { _exit(128 + g_signal.load()); }

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

}  // namespace

const std::atomic<bool>& stop_on_signals(int grace_s) {
  g_grace_s = grace_s;
  handle(SIGINT, on_signal);
  handle(SIGTERM, on_signal);
  handle(SIGALRM, on_alarm);
  return g_stop;
}

int signal_exit_status() { return 128 + g_signal.load(); }

}  // namespace sluice::train
