// A program that trains until it is interrupted, and then goes on: what train() leaves behind.
#include <sluice/sluice.h>

#include <csignal>
#include <cstdio>
#include <vector>

using namespace sluice;

namespace {

volatile std::sig_atomic_t g_terms = 0;
void on_term(int /*signal*/) { g_terms = g_terms + 1; }

Dataset two_points() {
  std::vector<float> x;
  std::vector<int32_t> labels;
  for (int i = 0; i < 400; ++i) {
    x.push_back(i % 2 == 0 ? -1.0f : 1.0f);
    labels.push_back(i % 2);
  }
  return Dataset::from_arrays(x, labels, {1}, 2);
}

bool is_default(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return action.sa_handler == SIG_DFL;
}

}  // namespace

int main(int argc, char** argv) {
  sluice::init(argc, argv);
  std::signal(SIGTERM, on_term);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Sequential model;
  model.add(Input({1})).add(Dense({.units = 2, .activation = "softmax"}));
  model.initialize(1);
  const Dataset data = two_points();
  const double before = model.evaluate(data).loss;
  try {
    Adag({.workers = 1, .epochs = 1000000, .verbose = 2}).train(model, data);
  } catch (const Interrupted& interrupted) {
    std::printf("%s\n", interrupted.what());
    std::printf("signal %d, %d of its own, loss %s\n", interrupted.signal(), int{g_terms},
                model.evaluate(data).loss < before ? "lower" : "not lower");
    std::printf("SIGINT at its default: %s\n", is_default(SIGINT) ? "yes" : "no");
  }
  const auto report = Adag({.workers = 1, .epochs = 1, .verbose = 0}).train(model, data);
  std::printf("trained again: %d samples\n", static_cast<int>(report.samples_trained));
}
