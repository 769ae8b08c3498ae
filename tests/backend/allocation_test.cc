// A training step allocates nothing once its batch size has been seen.
//
// The test binary replaces operator new. oneDNN itself makes a few small objects on every execute,
// which nobody outside can avoid; they are told apart by the library that calls. Sanitizers bring
// an operator new of their own.
#if !defined(SLUICE_SANITIZED)
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "tests/backend/graph_builder.h"

namespace {

std::atomic<bool> counting{false};
std::atomic<int64_t> ours{0};  // allocations by the test binary, which contains the backend
std::atomic<int64_t> onednn_largest{0};  // bytes

void count(size_t size, const void* caller) {
  if (!counting.load(std::memory_order_relaxed)) return;
  Dl_info info{};
  const bool in_onednn = dladdr(caller, &info) != 0 && info.dli_fname != nullptr &&
                         std::strstr(info.dli_fname, "dnnl") != nullptr;
  if (!in_onednn) {
    ours.fetch_add(1);
    return;
  }
  const auto bytes = static_cast<int64_t>(size);
  if (bytes > onednn_largest.load()) onednn_largest.store(bytes);
}

void* allocate(size_t size, const void* caller) {
  count(size, caller);
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}

void* allocate_aligned(size_t size, std::align_val_t alignment, const void* caller) {
  count(size, caller);
  const auto align = static_cast<size_t>(alignment);
  if (void* p = std::aligned_alloc(align, (size + align - 1) / align * align)) return p;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(size_t size) { return allocate(size, __builtin_return_address(0)); }
void* operator new[](size_t size) { return allocate(size, __builtin_return_address(0)); }
void* operator new(size_t size, std::align_val_t alignment) {
  return allocate_aligned(size, alignment, __builtin_return_address(0));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return allocate_aligned(size, alignment, __builtin_return_address(0));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t, std::align_val_t) noexcept { std::free(p); }

namespace sluice::backend::testing {
namespace {

struct Counted {
  int64_t ours, onednn_largest;
};

template <typename Call>
Counted count_allocations(const Call& call) {
  ::ours = 0;
  ::onednn_largest = 0;
  counting = true;
  call();
  counting = false;
  return {::ours.load(), ::onednn_largest.load()};
}

Graph every_kind_of_operation() {
  return GraphBuilder({16, 16, 3})
      .conv({.filters = 32})
      .activation(Activation::kRelu)
      .conv({.filters = 32})
      .activation(Activation::kTanh)
      .max_pool()
      .pool({.kind = Pool2DOp::Kind::kAverage, .pool_h = 3, .pool_w = 3})
      .dropout(0.2f, 1)
      .flatten()
      .dense(40)
      .activation(Activation::kRelu)
      .activation(Activation::kSigmoid)
      .host(std::make_shared<IdentityKernel>())
      .dense(10)
      .activation(Activation::kSoftmax)
      .build(SparseCategoricalCrossentropy{});
}

TEST(AllocationTest, TheTestItselfSeesAllocations) {
  const Counted counted = count_allocations([] {
    volatile int* p = new int(1);
    delete p;
  });
  EXPECT_GT(counted.ours, 0);
}

void expect_steps_without_allocations(Precision precision) {
  for (int threads : {1, 2}) {
    const Graph graph = every_kind_of_operation();
    const Samples samples(graph, 16, 1);
    ReplicaOptions options{.batch_size = 16, .threads = threads, .precision = precision};
    options.optimizer = "adam";
    auto replica = make_replica(graph, options, 1, 0.1f);
    // Inputs elsewhere on every step: following them must not allocate either.
    const Samples moved = samples;
    const auto steps = [&] {
      for (const Samples* s : {&samples, &moved}) {
        replica->start_step(s->batch());
        replica->start_step(s->first(7));
        replica->parameters()[0] += 0.1f;
        replica->parameters_changed();
      }
    };
    steps();
    (void)replica->take_metrics();
    const Counted counted = count_allocations(steps);
    EXPECT_EQ(counted.ours, 0) << threads << " threads";
    EXPECT_LE(counted.onednn_largest, 4096) << "oneDNN makes a buffer on " << threads << " threads";
  }
}

TEST(AllocationTest, TrainingStepsAllocateNothingOnceTheirBatchSizesHaveBeenSeen) {
  expect_steps_without_allocations(Precision::kFloat32);
}

TEST(AllocationTest, NorDoThoseInMixedPrecision) {
  const auto backend = open_backend({.name = "cpu"});
  if (const Status able = (*backend)->check(Precision::kMixedBfloat16); !able.ok()) {
    GTEST_SKIP() << able.message();
  }
  expect_steps_without_allocations(Precision::kMixedBfloat16);
}

}  // namespace
}  // namespace sluice::backend::testing

#endif  // !SLUICE_SANITIZED
