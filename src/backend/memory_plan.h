// Where every activation, gradient and workspace of one compiled program lies.
//
// A training step is a line of times: forward 0 .. n-1, loss n, backward n+1 .. 2n. A buffer is
// asked for with the first and last time at which it holds something; buffers whose times do not
// meet share memory. Small arenas stay in the cache.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

namespace sluice::backend {

// A piece of memory with a stable handle; `data` is set when the plan is bound. Counted in floats,
// whatever it holds.
struct Buffer {
  float* data = nullptr;

  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
};

class MemoryPlan {
 public:
  // A buffer of `size` floats, 64-byte aligned, alive from time `first` to `last`.
  Buffer* add(size_t size, int first, int last);
  // A handle to memory that lies elsewhere, such as a parameter or the caller's input.
  Buffer* elsewhere(const float* data);

  // Gives every buffer its offset. Returns the floats that the arena needs.
  size_t place();
  // Points the buffers into `arena`, which outlives their use.
  void bind(float* arena);

 private:
  struct Request {
    Buffer* buffer;
    size_t size;
    int first, last;
    size_t offset;
  };
  size_t lowest_free_offset(const Request& request,
                            const std::vector<const Request*>& placed) const;

  std::deque<Buffer> buffers_;
  std::deque<Request> requests_;
};

}  // namespace sluice::backend
