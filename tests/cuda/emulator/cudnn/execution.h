// What all convolutions do: read inputs as packed floats, rounded to TF32 where tensor cores may be
// used, sum in floats, and round the result once, when it is stored. All are operations of the
// handle's stream.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "cudnn/problem.h"

namespace sluice::emulator::cudnn {

// Calls body(offset in the tensor, index among packed NHWC elements).
template <typename Body>
void for_each_element(const Tensor& t, const Body& body) {
  size_t i = 0;
  for (int n = 0; n < t.n; ++n) {
    for (int h = 0; h < t.h; ++h) {
      for (int w = 0; w < t.w; ++w) {
        for (int c = 0; c < t.c; ++c) body(t.at(n, h, w, c), i++);
      }
    }
  }
}

// The same for a filter, packed as KRSC.
template <typename Body>
void for_each_element(const Filter& f, const Body& body) {
  size_t i = 0;
  for (int k = 0; k < f.k; ++k) {
    for (int r = 0; r < f.r; ++r) {
      for (int s = 0; s < f.s; ++s) {
        for (int c = 0; c < f.c; ++c) body(f.at(k, r, s, c), i++);
      }
    }
  }
}

template <typename Thing>
std::vector<float> unpack(const Thing& thing, const void* data, Precision precision) {
  std::vector<float> packed(thing.elements());
  for_each_element(thing, [&](size_t at, size_t i) {
    packed[i] = read(data, at, number_of(thing.type), precision);
  });
  return packed;
}

template <typename Thing>
void pack(const Thing& thing, const std::vector<float>& sums, const Scale& scale, void* data) {
  const Number number = number_of(thing.type);
  for_each_element(thing, [&](size_t at, size_t i) {
    store(data, at, number, scale.blend(sums[i], data, at, number));
  });
}

inline std::optional<Scale> scale_of(const void* alpha, const void* beta) {
  if (alpha == nullptr || beta == nullptr) return std::nullopt;
  return Scale{*static_cast<const float*>(alpha), *static_cast<const float*>(beta)};
}

inline cudnnStatus_t check_data(const Problem& problem, const void* x, const void* w,
                                const void* y) {
  const bool valid = on_device(x, problem.x) && on_device(w, problem.w) && on_device(y, problem.y);
  return valid ? CUDNN_STATUS_SUCCESS
               : bad_param("a pointer is not to so much device memory as its descriptor says");
}

inline cudnnStatus_t check_workspace(const Workspace& workspace) {
  return workspace.suffices() ? CUDNN_STATUS_SUCCESS
                              : bad_param("the workspace is smaller than the algorithm needs");
}

inline cudnnStatus_t enqueue_on(const Context& context, std::function<void()> run) {
  const cudaError_t error = enqueue_library_call(context.stream, std::move(run));
  if (error == cudaSuccess) return CUDNN_STATUS_SUCCESS;
  return refuse(CUDNN_STATUS_EXECUTION_FAILED_CUDART, "the stream does not take it");
}

template <typename Body>
cudnnStatus_t with_context(const char* function, cudnnHandle_t handle, const Body& body) {
  return library_call<cudnnStatus_t>(function, [&] {
    const std::shared_ptr<Context> context = tables().contexts.find(handle);
    return context == nullptr ? bad_param("not a handle") : body(*context);
  });
}

inline std::vector<float> convolve(const Problem& problem, const void* x, const void* w) {
  std::vector<float> y(problem.y.elements(), 0.0f);
  forward(problem.geometry(), unpack(problem.x, x, problem.precision()).data(),
          unpack(problem.w, w, problem.precision()).data(), y.data());
  return y;
}

}  // namespace sluice::emulator::cudnn
