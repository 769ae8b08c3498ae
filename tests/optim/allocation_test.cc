// A step of which there is no memory for what is computed first has not begun: who tries again
// counts it once. The test binary replaces operator new; sanitizers bring one of their own.
#if !defined(SLUICE_SANITIZED)
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "optim/optimizer.h"

namespace {
thread_local bool exhausted = false;

void* allocate(size_t size) {
  void* const memory = exhausted ? nullptr : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace

void* operator new(size_t size) { return allocate(size); }
void* operator new[](size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace sluice::optim {
namespace {

TEST(OptimizerMemoryTest, AStepThatThereIsNoMemoryForHasNotBegun) {
  const OptimizerSpec ftrl =
      Ftrl({.learning_rate = ExponentialDecay({.initial_learning_rate = 0.1, .decay_steps = 2})});
  Optimizer optimizer(ftrl, 1), other(ftrl, 1);
  const float g = 0.5f;
  float w = 1, expected = 1;
  exhausted = true;
  bool failed = false;
  try {
    optimizer.begin_step();
  } catch (const std::bad_alloc&) {
    failed = true;
  }
  exhausted = false;
  ASSERT_TRUE(failed) << "names of its hyperparameters are longer than a string holds in itself";
  optimizer.apply({&w, 1}, {&g, 1});
  other.apply({&expected, 1}, {&g, 1});
  EXPECT_EQ(w, expected);
}

// Nothing can fail when some elements have been stepped already.
static_assert(noexcept(std::declval<Optimizer&>().apply_range(0, {}, {})));

}  // namespace
}  // namespace sluice::optim
#endif  // !SLUICE_SANITIZED
