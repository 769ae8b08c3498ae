#include "backend/cuda/handles.h"

namespace sluice::backend::cuda {

Stream make_stream() {
  return made<Stream>(
      [](cudaStream_t* s) { return cudaStreamCreateWithFlags(s, cudaStreamNonBlocking); });
}

Event make_event() {
  return made<Event>(
      [](cudaEvent_t* e) { return cudaEventCreateWithFlags(e, cudaEventDisableTiming); });
}

}  // namespace sluice::backend::cuda
