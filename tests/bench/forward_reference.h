// The oneDNN primitives that a prediction of a graph could be made of, to be measured alone, each
// with warm buffers, or in turn, as in a prediction: a primitive finds in the caches what the ones
// before it have left there.
//
// As a library would run the graph that is never trained: every primitive gets the layouts that
// oneDNN itself asks for (`any`), weights lie in them from the start, a batch normalization behind
// a convolution is part of its kernel and bias and costs nothing, and ReLUs and sums are fused into
// the convolution before them. What one writes and another reads is one buffer; reorders between
// the primitives are not counted. Convolutions come
// with the direct algorithm, and with Winograd's as an alternative where oneDNN has it.
#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "backend/cpu/onednn.h"
#include "backend/graph.h"

namespace sluice::bench {

class ForwardReference {
 public:
  // `graph` outlives it. Throws std::invalid_argument for operations that it does not know.
  ForwardReference(const backend::Graph& graph, int64_t batch, int threads);

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
  using Descs = std::unordered_map<int, dnnl::memory::desc>;

  void add_op(const backend::Op& op);
  void add_convolution(const backend::Op& op, const backend::Conv2DOp& conv);
  void add_dense(const backend::Op& op);
  void add_pooling(const backend::Op& op, const backend::Pool2DOp& pool);
  void add_softmax(const backend::Op& op);
  void add(const std::string& name, const dnnl::primitive& primitive, const Descs& descs,
           backend::ValueId from, backend::ValueId to);
  // What a primitive reads or writes: `value` if it is one of the graph's, else a buffer of its
  // own.
  dnnl::memory memory_of(std::optional<backend::ValueId> value, const dnnl::memory::desc& desc);

  // What is fused behind an operation.
  struct Behind {
    backend::ValueId output;  // that comes of all of it
    bool relu = false;
    bool normalized = false;   // and so has a bias
    dnnl::memory::desc sum{};  // of the other operand, or none
    backend::ValueId other{};  // which it is
  };
  Behind take_what_is_behind(const backend::Op& op, bool is_convolution);
  const backend::Op* only_reader(backend::ValueId value) const;
  static dnnl::primitive_attr attributes(const Behind& behind);
  dnnl::memory::desc desc_of(backend::ValueId value) const;

  const backend::Graph& graph_;
  const int64_t batch_;
  const int threads_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::vector<Part> parts_;
  std::unordered_map<backend::ValueId, dnnl::memory::desc> descs_;
  std::unordered_map<backend::ValueId, dnnl::memory> memories_;
  std::set<const backend::Op*> taken_;  // part of one before
};

}  // namespace sluice::bench
