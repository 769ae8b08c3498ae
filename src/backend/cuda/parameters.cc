#include "backend/cuda/parameters.h"

#include <algorithm>
#include <map>
#include <utility>

#include "optim/optimizer.h"

namespace sluice::backend::cuda {
namespace {

struct NamedSegment : Segment {
  bool is_trained = false;
};

// The pieces of the parameters that ops name, each once.
std::vector<NamedSegment> named_segments(const Graph& graph, const Plan& plan) {
  std::map<size_t, NamedSegment> segments;  // by where they begin
  for (const Op& op : graph.ops) {
    for (const OpParameter& parameter : traits_of(graph, op).parameters) {
      if (parameter.slice.size == 0) continue;
      NamedSegment& segment = segments[parameter.slice.offset];
      segment.keras = static_cast<int64_t>(parameter.slice.offset);
      segment.size = static_cast<int64_t>(parameter.slice.size);
      segment.filters = parameter.filters;
      segment.is_state = parameter.slice.role == ParameterRole::kState;
    }
  }
  for (const Step& step : plan.steps) {
    for (const Step::Parameter& parameter : step.parameters) {
      if (parameter.is_complete) segments[parameter.slice.offset].is_trained = true;
    }
  }
  std::vector<NamedSegment> in_order;
  for (const auto& [offset, segment] : segments) in_order.push_back(segment);
  return in_order;
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

Parameters::Places Parameters::places_of(const Graph& graph, const Plan& plan) {
  std::vector<NamedSegment> all;
  int64_t keras = 0;
  const auto fill_until = [&](int64_t offset) {
    if (offset > keras) all.push_back({{.keras = keras, .size = offset - keras}});
    keras = offset;
  };
  for (const NamedSegment& named : named_segments(graph, plan)) {
    fill_until(named.keras);
    all.push_back(named);
    keras += named.size;
  }
  fill_until(static_cast<int64_t>(graph.parameter_size));
  Places places;
  int64_t device = 0;
  for (const bool trained : {true, false}) {
    for (NamedSegment& segment : all) {
      if (segment.is_trained != trained) continue;
      segment.device = device;
      device += (segment.size + kArenaBlock - 1) / kArenaBlock * kArenaBlock;
    }
    if (trained) places.trained = static_cast<size_t>(device);
  }
  places.size = static_cast<size_t>(device);
  places.segments.assign(all.begin(), all.end());
  return places;
}

Parameters::Parameters(const Graph& graph, const Plan& plan, const ReplicaOptions& options,
                       const Context& context)
    : Parameters(graph, places_of(graph, plan), options, context) {}

Parameters::Parameters(const Graph& graph, Places places, const ReplicaOptions& options,
                       const Context& context)
    : keras_size_(graph.parameter_size),
      optimizer_(options.purpose == Purpose::kTraining ? options.optimizer : std::nullopt),
      segments_(std::move(places.segments)),
      trained_size_(places.trained),
      segment_table_(
          copied(*context.device, segments_.data(), segments_.size(), context.main.stream.get())),
      values_(*context.device, places.size),
      gradients_(*context.device, options.purpose == Purpose::kTraining ? places.size : 0),
      bfloat16_(*context.device, options.precision == Precision::kMixedBfloat16 ? places.size : 0),
      clip_(options.optimizer ? optim::norm_clip_of(*options.optimizer) : options.update_clip) {
  prepare_rules(graph.weight_rules, context);
  if (clip_.is_needed() && gradients() != nullptr) prepare_clip(context);
  if (!optimizer_) return;
  optim::validate(*optimizer_);
  arena_ = {.w = values(), .g = gradients(), .slots = {}, .bfloat16_w = bfloat16_values()};
  for (const optim::SlotSpec& slot : optim::slots_of(*optimizer_)) {
    const std::vector<float> initial(size(), slot.initial_value);
    slots_.push_back(copied(*context.device, initial.data(), size(), context.main.stream.get()));
    arena_.slots.push_back(slots_.back().data());
  }
  rule_ = optim::definition_of(*optimizer_).rule(*optimizer_);
  preparation_ = optim::preparation_of(*optimizer_);
  prepare_decay(options.undecayed, context);
  if (!optimizer_->use_ema) return;
  arena_.averages = arena_.slots.front();
  arena_.slots.erase(arena_.slots.begin());
}

void Parameters::prepare_decay(const std::vector<ParameterRange>& undecayed,
                               const Context& context) {
  if (undecayed.empty()) return;
  std::vector<uint8_t> blocks(size() / kArenaBlock);
  for (const Segment& segment : segments_) {
    optim::for_each_piece(
        undecayed, static_cast<size_t>(segment.keras), static_cast<size_t>(segment.size),
        [](size_t, size_t) {},
        [&](size_t, size_t) {
          const auto begin = blocks.begin() + segment.device / kArenaBlock;
          std::fill(begin, begin + (segment.size + kArenaBlock - 1) / kArenaBlock, 1);
        });
  }
  undecayed_ = copied(*context.device, blocks.data(), blocks.size(), context.main.stream.get());
  arena_.undecayed = undecayed_.data();
}

void Parameters::prepare_clip(const Context& context) {
  std::vector<NormBlock> blocks;
  std::vector<int> first_blocks;
  for (const Segment& segment : segments_) {
    if (segment.device >= static_cast<int64_t>(trained_size_)) continue;
    const auto parameter = static_cast<int>(first_blocks.size());
    first_blocks.push_back(static_cast<int>(blocks.size()));
    for (int64_t at = 0; at < segment.size; at += kNormBlock) {
      blocks.push_back({.begin = segment.device + at,
                        .size = static_cast<int>(std::min(kNormBlock, segment.size - at)),
                        .parameter = parameter});
    }
  }
  first_blocks.push_back(static_cast<int>(blocks.size()));
  cudaStream_t stream = context.main.stream.get();
  norm_blocks_ = copied(*context.device, blocks.data(), blocks.size(), stream);
  first_norm_blocks_ = copied(*context.device, first_blocks.data(), first_blocks.size(), stream);
  squares_ = DeviceArray<double>(*context.device, blocks.size() + first_blocks.size() - 1);
}

void Parameters::clip(float factor, float* gradients, cudaStream_t stream) const {
  if (norm_blocks_.size() == 0) return;
  const NormBlocks blocks{.table = norm_blocks_.data(),
                          .first_blocks = first_norm_blocks_.data(),
                          .squares = squares_.data(),
                          .count = static_cast<int>(norm_blocks_.size()),
                          .parameters = static_cast<int>(first_norm_blocks_.size()) - 1};
  clip_by_norm(blocks, clip_, factor, gradients, stream);
}

void Parameters::prepare_rules(const std::vector<WeightRule>& rules, const Context& context) {
  std::vector<DeviceRule> table;
  std::vector<NormBlock> blocks;
  for (const WeightRule& rule : rules) {
    const auto segment = std::ranges::find_if(segments_, [&](const Segment& s) {
      return s.keras == static_cast<int64_t>(rule.slice.offset);
    });
    if (segment == segments_.end()) continue;
    const auto number = static_cast<int>(table.size());
    table.push_back({.begin = segment->device,
                     .size = segment->size,
                     .filters = segment->filters,
                     .l1 = rule.l1,
                     .l2 = rule.l2,
                     .not_negative = rule.not_negative,
                     .has_norm = rule.norm.has_value(),
                     .norm = rule.norm.value_or(NormConstraint())});
    constrains_ = constrains_ || rule.is_constrained();
    if (rule.orthogonality) {
      const Orthogonality& shape = *rule.orthogonality;
      const auto vectors = static_cast<size_t>(shape.vectors);
      const size_t numbers = vectors * static_cast<size_t>(shape.size);
      directions_.emplace_back(*context.device, numbers + vectors);
      direction_sums_.emplace_back(*context.device, vectors);
      float* const units = directions_.back().data();
      orthogonality_.push_back(
          {segment->device, shape, units, units + numbers, direction_sums_.back().data()});
    }
    const bool has_blocks = rule.l1 != 0 || rule.l2 != 0;
    for (int64_t at = 0; has_blocks && at < segment->size; at += kNormBlock) {
      blocks.push_back({.begin = segment->device + at,
                        .size = static_cast<int>(std::min(kNormBlock, segment->size - at)),
                        .parameter = number});
    }
  }
  cudaStream_t stream = context.main.stream.get();
  rule_table_ = copied(*context.device, table.data(), table.size(), stream);
  rule_blocks_ = copied(*context.device, blocks.data(), blocks.size(), stream);
  rule_sums_ = DeviceArray<double>(*context.device, blocks.size());
}

DeviceRules Parameters::rules() const {
  return {.table = rule_table_.data(),
          .block_table = rule_blocks_.data(),
          .sums = rule_sums_.data(),
          .count = static_cast<int>(rule_table_.size()),
          .blocks = static_cast<int>(rule_blocks_.size()),
          .constrains = constrains_,
          .orthogonality = orthogonality_};
}

void Parameters::add_penalty(int64_t rows, StepState* state, cudaStream_t stream) const {
  cuda::add_penalty(rules(), values(), rows, state, stream);
}

void Parameters::add_penalty_gradient(cudaStream_t stream) const {
  cuda::add_penalty_gradient(rules(), values(), gradients(), stream);
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

const void* Parameters::values_of(const ParameterSlice& slice, Type type) const {
  if (type == Type::kFloat32) return values() + place(slice);
  return bfloat16_.data() + place(slice);
}

void Parameters::step(size_t count, const optim::StepFactors* factors, cudaStream_t stream) const {
  clip(1, gradients(), stream);
  OptimizerArena arena = arena_;
  arena.size = static_cast<int64_t>(count);
  optimizer_step(rule_, preparation_, factors, arena, stream);
  const DeviceRules all = rules();
  constrain(all, count == 0 ? 0 : all.count, values(), bfloat16_values(), stream);
}

void Parameters::adopt_averages(cudaStream_t stream) const {
  SLUICE_CHECKED(cudaMemcpyAsync(values(), arena_.averages, trained_size_ * sizeof(float),
                                 cudaMemcpyDeviceToDevice, stream));
  if (bfloat16_values() == nullptr) return;
  convert(Type::kFloat32, Type::kBfloat16, static_cast<int64_t>(trained_size_), values(),
          bfloat16_values(), stream);
}

}  // namespace sluice::backend::cuda
