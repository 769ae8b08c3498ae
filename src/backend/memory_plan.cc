#include "backend/memory_plan.h"

#include <algorithm>

namespace sluice::backend {
namespace {
constexpr size_t kAlignment = 16;  // floats in a cache line
}

Buffer* MemoryPlan::add(size_t size, int first, int last) {
  Buffer* buffer = &buffers_.emplace_back();
  const size_t rounded = (size + kAlignment - 1) / kAlignment * kAlignment;
  requests_.push_back({buffer, rounded, first, last, 0});
  return buffer;
}

Buffer* MemoryPlan::elsewhere(const float* data) {
  // oneDNN's handles are not const; primitives only read their sources.
  return &buffers_.emplace_back(Buffer{const_cast<float*>(data)});
}

size_t MemoryPlan::lowest_free_offset(const Request& request,
                                      const std::vector<const Request*>& placed) const {
  size_t offset = 0;
  for (const Request* other : placed) {  // by offset
    const bool meet = other->first <= request.last && request.first <= other->last;
    if (!meet) continue;
    if (offset + request.size <= other->offset) break;
    offset = std::max(offset, other->offset + other->size);
  }
  return offset;
}

size_t MemoryPlan::place() {
  std::vector<Request*> order;
  for (Request& request : requests_) order.push_back(&request);
  std::stable_sort(order.begin(), order.end(),
                   [](const Request* a, const Request* b) { return a->size > b->size; });
  size_t end = 0;
  std::vector<const Request*> placed;
  for (Request* request : order) {
    request->offset = lowest_free_offset(*request, placed);
    end = std::max(end, request->offset + request->size);
    const auto at =
        std::upper_bound(placed.begin(), placed.end(), request,
                         [](const Request* a, const Request* b) { return a->offset < b->offset; });
    placed.insert(at, request);
  }
  return end;
}

void MemoryPlan::bind(float* arena) {
  for (const Request& request : requests_) request.buffer->data = arena + request.offset;
}

}  // namespace sluice::backend
