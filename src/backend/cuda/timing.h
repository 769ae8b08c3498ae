// Measures how long work on a stream takes.
#pragma once

#include <algorithm>
#include <vector>

#include "backend/cuda/check.h"
#include "backend/cuda/handles.h"

namespace sluice::backend::cuda {

// How often an algorithm that is tried runs, besides the first time. On the emulator, where times
// mean nothing, as seldom as can be.
#if defined(SLUICE_CUDA_EMULATED)
inline constexpr int kTrialRounds = 1, kTrialCalls = 1;
#else
inline constexpr int kTrialRounds = 3, kTrialCalls = 4;
#endif

// Seconds of one call, which only puts work on the stream: the median of `rounds` of `calls` each.
template <typename Call>
double seconds_per_call(cudaStream_t stream, int rounds, int calls, const Call& call) {
  const auto make_event = [] {
    return made<Event>(
        [](cudaEvent_t* e) { return cudaEventCreateWithFlags(e, cudaEventDefault); });
  };
  const Event begin = make_event(), end = make_event();
  std::vector<double> seconds;
  call();  // loads the code
  for (int round = 0; round < rounds; ++round) {
    SLUICE_CHECKED(cudaEventRecord(begin.get(), stream));
    for (int i = 0; i < calls; ++i) call();
    SLUICE_CHECKED(cudaEventRecord(end.get(), stream));
    SLUICE_CHECKED(cudaEventSynchronize(end.get()));
    float milliseconds = 0;
    SLUICE_CHECKED(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()));
    seconds.push_back(1e-3 * static_cast<double>(milliseconds) / calls);
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

}  // namespace sluice::backend::cuda
