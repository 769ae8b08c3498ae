// Measures how long work on a stream takes.
#pragma once

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include "backend/cuda/capture.h"
#include "backend/cuda/check.h"
#include "backend/cuda/handles.h"

namespace sluice::backend::cuda {

// How often each algorithm that is tried is timed, and how often it runs each time. On the
// emulator, where times mean nothing, as seldom as can be.
#if defined(SLUICE_CUDA_EMULATED)
inline constexpr int kTrialRounds = 1, kTrialCalls = 1;
#else
inline constexpr int kTrialRounds = 7, kTrialCalls = 4;
#endif

inline Event make_timer() {
  return made<Event>([](cudaEvent_t* e) { return cudaEventCreateWithFlags(e, cudaEventDefault); });
}

// Waits for `end`.
inline double seconds_between(const Event& begin, const Event& end) {
  SLUICE_CHECKED(cudaEventSynchronize(end.get()));
  float milliseconds = 0;
  SLUICE_CHECKED(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()));
  return 1e-3 * static_cast<double>(milliseconds);
}

// A call that only puts work on a stream, timed as a training step runs it: in a graph. Timed by
// itself, short work takes as long as the host needs to launch it.
class Trial {
 public:
  template <typename Call>
  Trial(cudaStream_t stream, int calls, const Call& call) : stream_(stream), calls_(calls) {
    call();  // loads the code
    Capture capture(stream);
    for (int i = 0; i < calls; ++i) call();
    graph_ = executable(capture.end());
    SLUICE_CHECKED(cudaGraphLaunch(graph_.get(), stream));
    SLUICE_CHECKED(cudaStreamSynchronize(stream));
  }

  // Runs it, and returns the seconds of a call.
  double seconds() const {
    SLUICE_CHECKED(cudaEventRecord(begin_.get(), stream_));
    SLUICE_CHECKED(cudaGraphLaunch(graph_.get(), stream_));
    SLUICE_CHECKED(cudaEventRecord(end_.get(), stream_));
    return seconds_between(begin_, end_) / calls_;
  }

 private:
  cudaStream_t stream_;
  int calls_;
  GraphExec graph_;
  Event begin_ = make_timer(), end_ = make_timer();
};

// The fewest seconds of a call of each. They take turns: what slows the device or the host for a
// while, such as a clock that still rises, slows all of them.
inline std::vector<double> fewest_seconds(std::span<const Trial> trials, int rounds) {
  std::vector<double> fewest(trials.size(), std::numeric_limits<double>::infinity());
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < trials.size(); ++i) {
      fewest[i] = std::min(fewest[i], trials[i].seconds());
    }
  }
  return fewest;
}

}  // namespace sluice::backend::cuda
