// A convolution as its descriptors give it, checked, and its algorithms.
#pragma once

#include <cudnn.h>

#include <vector>

#include "cudnn/convolution_loops.h"
#include "cudnn/descriptors.h"

namespace sluice::emulator::cudnn {

struct Problem {
  Tensor x;  // or dx
  Filter w;  // or dw
  Convolution conv;
  Tensor y;  // or dy

  Geometry geometry() const;
  Number number() const { return number_of(x.type); }
  Precision precision() const;
};

struct OutputSize {
  int n, k, p, q;
};
OutputSize output_size(const Tensor& x, const Filter& w, const Convolution& conv);

// Reads the descriptors and checks that they fit each other.
cudnnStatus_t find_problem(cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,
                           cudnnConvolutionDescriptor_t conv, cudnnTensorDescriptor_t y,
                           Problem* problem);

template <typename Algo>
struct Algorithm {
  Algo algo;
  cudnnDeterminism_t determinism;
};

// Those that are implemented, what is fastest first.
const std::vector<Algorithm<cudnnConvolutionFwdAlgo_t>>& forward_algorithms();
const std::vector<Algorithm<cudnnConvolutionBwdDataAlgo_t>>& data_algorithms();
const std::vector<Algorithm<cudnnConvolutionBwdFilterAlgo_t>>& filter_algorithms();

template <typename Algo>
const Algorithm<Algo>* find_algorithm(const std::vector<Algorithm<Algo>>& all, Algo algo) {
  for (const Algorithm<Algo>& algorithm : all) {
    if (algorithm.algo == algo) return &algorithm;
  }
  return nullptr;
}

// Never 0, and more for a larger batch.
size_t workspace_size(const Problem& problem, int algo);

}  // namespace sluice::emulator::cudnn
