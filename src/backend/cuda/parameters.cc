#include "backend/cuda/parameters.h"

#include <algorithm>

#include "optim/optimizer.h"

namespace sluice::backend::cuda {
namespace {

constexpr int64_t kAlignment = 128;  // elements: 256 bytes of bfloat16

// The pieces of the parameters that ops name, with the filters of convolution kernels.
std::vector<Segment> named_segments(const Graph& graph) {
  std::vector<Segment> segments;
  const auto add = [&](const ParameterSlice& slice, int64_t filters) {
    segments.push_back({.keras = static_cast<int64_t>(slice.offset),
                        .size = static_cast<int64_t>(slice.size),
                        .filters = filters});
  };
  for (const Op& op : graph.ops) {
    if (const auto* conv = std::get_if<Conv2DOp>(&op.kind)) {
      add(conv->kernel, op.output[2]);
      if (conv->bias) add(*conv->bias, 0);
    } else if (const auto* dense = std::get_if<DenseOp>(&op.kind)) {
      add(dense->kernel, 0);
      if (dense->bias) add(*dense->bias, 0);
    } else if (const auto* host = std::get_if<HostOp>(&op.kind)) {
      for (const ParameterSlice& slice : host->parameters) add(slice, 0);
    }
  }
  std::erase_if(segments, [](const Segment& s) { return s.size == 0; });
  std::sort(segments.begin(), segments.end(),
            [](const Segment& a, const Segment& b) { return a.keras < b.keras; });
  return segments;
}

std::vector<Segment> segments_of(const Graph& graph) {
  std::vector<Segment> segments;
  int64_t keras = 0, device = 0;
  const auto append = [&](Segment segment) {
    segment.device = device;
    device += (segment.size + kAlignment - 1) / kAlignment * kAlignment;
    keras = segment.keras + segment.size;
    segments.push_back(segment);
  };
  const auto fill_until = [&](int64_t offset) {
    if (offset > keras) append({.keras = keras, .size = offset - keras});
  };
  for (const Segment& named : named_segments(graph)) {
    fill_until(named.keras);
    append(named);
  }
  fill_until(static_cast<int64_t>(graph.parameter_size));
  return segments;
}

size_t device_size(const std::vector<Segment>& segments) {
  if (segments.empty()) return 0;
  const int64_t end = segments.back().device + segments.back().size;
  return static_cast<size_t>((end + kAlignment - 1) / kAlignment * kAlignment);
}

template <typename T>
DeviceArray<T> copied(Device& device, const T* values, size_t size, cudaStream_t stream) {
  DeviceArray<T> array(device, size);
  if (size == 0) return array;
  SLUICE_CHECKED(
      cudaMemcpyAsync(array.data(), values, array.bytes(), cudaMemcpyHostToDevice, stream));
  SLUICE_CHECKED(cudaStreamSynchronize(stream));
  return array;
}

}  // namespace

Parameters::Parameters(const Graph& graph, const std::optional<OptimizerSpec>& optimizer,
                       const Context& context, bool bfloat16)
    : keras_size_(graph.parameter_size),
      optimizer_(optimizer),
      segments_(segments_of(graph)),
      segment_table_(
          copied(*context.device, segments_.data(), segments_.size(), context.main.stream.get())),
      values_(*context.device, device_size(segments_)),
      gradients_(*context.device, values_.size()),
      bfloat16_(*context.device, bfloat16 ? values_.size() : 0) {
  if (!optimizer_) return;
  optim::validate(*optimizer_);
  arena_ = {.w = values(), .g = gradients(), .slots = {}, .bfloat16_w = bfloat16_values()};
  for (const optim::SlotSpec& slot : optim::slots_of(*optimizer_)) {
    const std::vector<float> initial(size(), slot.initial_value);
    slots_.push_back(copied(*context.device, initial.data(), size(), context.main.stream.get()));
    arena_.slots.push_back(slots_.back().data());
  }
}

Segments Parameters::segments() const {
  int64_t largest = 0;
  for (const Segment& segment : segments_) largest = std::max(largest, segment.size);
  return {segment_table_.data(), static_cast<int>(segments_.size()), largest};
}

// Where an op's slice, which is a segment, begins.
size_t Parameters::place(const ParameterSlice& slice) const {
  const auto keras = static_cast<int64_t>(slice.offset);
  const auto found = std::partition_point(segments_.begin(), segments_.end(),
                                          [&](const Segment& s) { return s.keras < keras; });
  return found == segments_.end() ? size() : static_cast<size_t>(found->device);
}

const void* Parameters::values_of(const ParameterSlice& slice, DataType type) const {
  if (type == DataType::kFloat32) return values() + place(slice);
  return bfloat16_.data() + place(slice);
}

void Parameters::step(size_t count, const StepState* state, cudaStream_t stream) const {
  OptimizerArena arena = arena_;
  arena.size = static_cast<int64_t>(count);
  optimizer_step(*optimizer_, arena, state, stream);
}

}  // namespace sluice::backend::cuda
