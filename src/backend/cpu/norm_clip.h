// Gradients clipped by their norm, of each parameter or of all together (optim/norm_clip.h).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "backend/graph.h"
#include "optim/norm_clip.h"

namespace sluice::backend::cpu {

class NormClipper {
 public:
  // `parameters`: those that are trained.
  NormClipper(const optim::NormClip& clip, std::vector<ParameterSlice> parameters, int threads);

  bool is_needed() const { return clip_.is_needed(); }
  const std::vector<ParameterSlice>& parameters() const { return parameters_; }
  // In place. The norms are the same for any number of threads.
  void clip(std::span<float> gradients);

 private:
  struct Block {
    size_t parameter, begin, size;
  };

  const optim::NormClip clip_;
  const std::vector<ParameterSlice> parameters_;
  const int threads_;
  std::vector<Block> blocks_;
  std::vector<double> block_squares_, squares_;  // of each block and of each parameter
};

}  // namespace sluice::backend::cpu
