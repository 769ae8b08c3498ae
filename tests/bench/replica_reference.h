// The oneDNN primitives that a training step of the MNIST CNN could be made of, each measured
// alone.
//
// Every primitive gets the layouts that oneDNN itself asks for (`any`) and its own warm buffers;
// reorders between them, the loss and the optimizer are not counted. Convolutions come with the
// direct algorithm, which frameworks use, and with Winograd's as an alternative where oneDNN has
// it.
#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "backend/cpu/onednn.h"

namespace sluice::bench {

class ReferenceStep {
 public:
  ReferenceStep(int64_t batch, int threads);

  struct Part {
    std::string name;
    dnnl::primitive primitive;
    std::unordered_map<int, dnnl::memory> arguments;
    int alternative_to = -1;  // the index of the part that this one could replace
  };
  const std::vector<Part>& parts() const { return parts_; }
  // Runs one part and waits for it.
  void run(const Part& part);

 private:
  void add_convolutions(const std::string& name, int64_t size, int64_t channels);
  void add_forward(const std::string& name, const backend::cpu::ConvolutionDescs& descs);
  void add_backward_data(const std::string& name, const backend::cpu::ConvolutionDescs& descs);
  void add_backward_weights(const std::string& name, const backend::cpu::ConvolutionDescs& descs);
  void add_pooling();
  void add_dense(const std::string& name, int64_t inputs, int64_t units, bool relu);
  void add_relu_backward(const std::string& name, const dnnl::memory::desc& desc);
  void add_softmax();
  void add(const std::string& name, const dnnl::primitive& primitive,
           std::unordered_map<int, dnnl::memory::desc> descs);

  int64_t batch_;
  int threads_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::vector<Part> parts_;
};

}  // namespace sluice::bench
