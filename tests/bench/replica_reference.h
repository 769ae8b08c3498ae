// The oneDNN primitives that a training step of a graph could be made of, to be measured alone,
// each with warm buffers, or in turn, as in a step: a primitive finds in the caches what the ones
// before it have left there.
//
// Every primitive gets the layouts that oneDNN itself asks for (`any`). What one writes and another
// reads is one buffer; reorders, dropout, the loss and the optimizer are not counted. ReLU is fused
// where oneDNN can: into convolutions, dense layers and batch normalization. Convolutions come with
// the direct algorithm, which frameworks use, and with Winograd's as an alternative where oneDNN
// has it.
#pragma once

#include <compare>
#include <cstdint>
#include <dnnl.hpp>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "backend/cpu/onednn.h"
#include "backend/graph.h"

namespace sluice::bench {

class ReferenceStep {
 public:
  // Throws std::invalid_argument for operations that it does not know.
  ReferenceStep(const backend::Graph& graph, int64_t batch, int threads);

  struct Part {
    std::string name;
    dnnl::primitive primitive;
    std::unordered_map<int, dnnl::memory> arguments;
    size_t op = 0;            // the graph's, whose part it is
    int alternative_to = -1;  // the index of the part that this one could replace
    bool is_backward = false;
  };
  const std::vector<Part>& parts() const { return parts_; }
  // Runs one part and waits for it.
  void run(const Part& part);

 private:
  // What a part's inputs and outputs are in the step: a value, or its gradient.
  struct Place {
    backend::ValueId value;
    bool is_gradient = false;
    auto operator<=>(const Place&) const = default;
  };
  using Places = std::unordered_map<int, Place>;

  void add_op(const backend::Op& op, const backend::Conv2DOp& conv);
  void add_op(const backend::Op& op, const backend::DenseOp& dense);
  void add_op(const backend::Op& op, const backend::Pool2DOp& pool);
  void add_op(const backend::Op& op, const backend::BatchNormOp& norm);
  void add_op(const backend::Op& op, const backend::MergeOp& merge);
  void add_op(const backend::Op& op, const backend::ActivationOp& activation);
  void add_op(const backend::Op& op, const backend::ReshapeOp&);
  void add_op(const backend::Op& op, const backend::NoiseOp&);
  void add_op(const backend::Op& op, const backend::NormalizeOp& norm);
  void add_op(const backend::Op& op, const backend::ConcatenateOp& concatenate);
  void add_op(const backend::Op& op, const backend::InterpolateOp& interpolate);
  template <typename Other>
  void add_op(const backend::Op& op, const Other&);

  void add_forward(const std::string& name, const backend::cpu::ConvolutionDescs& descs,
                   const backend::Activation& activation);
  void add_backward_data(const std::string& name, const backend::cpu::ConvolutionDescs& descs);
  void add_backward_weights(const std::string& name, const backend::cpu::ConvolutionDescs& descs);
  void add_transposed(const std::string& name, const backend::cpu::ConvolutionDescs& descs);
  struct Eltwise {
    dnnl::algorithm algorithm;
    float alpha = 0;
  };
  void add_eltwise_forward(const std::string& name, const Eltwise& f,
                           const dnnl::memory::desc& desc);
  void add_eltwise_backward(const std::string& name, const Eltwise& f,
                            const dnnl::memory::desc& desc, const Places& places);
  static Eltwise eltwise_of(const backend::Op& op, const backend::Activation& activation);
  void add_relu_backward(const std::string& name, const dnnl::memory::desc& desc);
  void add_binary(const std::string& name, dnnl::algorithm algorithm,
                  const dnnl::memory::desc& desc, const Places& places);
  void add_softmax(const std::string& name, const dnnl::memory::desc& desc, bool is_last);
  Places places_of_op() const;
  void add(const std::string& name, const dnnl::primitive& primitive,
           const std::unordered_map<int, dnnl::memory::desc>& descs);
  void add(const std::string& name, const dnnl::primitive& primitive,
           const std::unordered_map<int, dnnl::memory::desc>& descs, const Places& places);
  dnnl::memory memory_of(const Place& place, const dnnl::memory::desc& desc);
  // Lets both be one buffer, as where an operation is not counted or part of the one before.
  void unite(backend::ValueId value, backend::ValueId with);

  // Whether nothing but a ReLU reads the op's output.
  bool has_relu_behind(const backend::Op& op) const;
  // The layout of a value as its writer left it; of images that nobody has written, any.
  dnnl::memory::desc desc_of(backend::ValueId value) const;

  const backend::Graph& graph_;
  int64_t batch_;
  int threads_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::vector<Part> parts_;
  std::unordered_map<backend::ValueId, dnnl::memory::desc> descs_;
  std::unordered_map<backend::ValueId, int> readers_;
  const backend::Op* op_ = nullptr;  // whose parts are being added
  std::map<Place, Place> united_;
  std::map<Place, dnnl::memory> memories_;
};

}  // namespace sluice::bench
