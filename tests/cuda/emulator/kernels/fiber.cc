#include "kernels/fiber.h"

#include <sys/mman.h>

#include <utility>

#include "kernels/fail.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace sluice::emulator {
namespace {

constexpr size_t kStack = 256 * 1024;  // only what is touched takes memory
constexpr size_t kGuard = 4096;

thread_local Fiber* current_fiber = nullptr;

void leaving([[maybe_unused]] void** fake_stack, [[maybe_unused]] const void* to,
             [[maybe_unused]] size_t size, [[maybe_unused]] void* tsan_fiber) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(fake_stack, to, size);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(tsan_fiber, 0);
#endif
}

}  // namespace

Fiber::Fiber(std::function<void()> body) : body_(std::move(body)) {
  memory_ = mmap(nullptr, kGuard + kStack, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory_ == MAP_FAILED) fail("no memory for the stack of a CUDA thread");
  mprotect(memory_, kGuard, PROT_NONE);
  getcontext(&context_);
  context_.uc_stack.ss_sp = static_cast<char*>(memory_) + kGuard;
  context_.uc_stack.ss_size = kStack;
  context_.uc_link = nullptr;
  makecontext(&context_, &Fiber::enter, 0);
#if defined(__SANITIZE_THREAD__)
  tsan_fiber_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
#if defined(__SANITIZE_THREAD__)
  __tsan_destroy_fiber(tsan_fiber_);
#endif
  munmap(memory_, kGuard + kStack);
}

Fiber* Fiber::current() { return current_fiber; }

void Fiber::enter() {
  Fiber* const self = current_fiber;
  self->arrived();
  for (;;) {
    self->body_();
    self->suspend();
  }
}

void Fiber::resume() {
  resumed_by_ = std::exchange(current_fiber, this);
#if defined(__SANITIZE_THREAD__)
  tsan_resumer_ = __tsan_get_current_fiber();
#endif
  [[maybe_unused]] void* fake_stack = nullptr;
  leaving(&fake_stack, context_.uc_stack.ss_sp, kStack, tsan_fiber_);
  switch_in();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

void Fiber::suspend() {
  current_fiber = resumed_by_;
  leaving(&own_fake_stack_, resumer_stack_, resumer_stack_size_, tsan_resumer_);
  switch_out();
  arrived();
}

#if defined(__SANITIZE_THREAD__)

void Fiber::switch_in() { swapcontext(&resumer_, &context_); }
void Fiber::switch_out() { swapcontext(&context_, &resumer_); }

#else

// swapcontext() makes a system call each time, for the signal mask, and under AddressSanitizer
// cleans what it knows of the whole stack; longjmp() is checked to stay on one stack. The
// compiler's own do neither.
namespace {
[[noreturn, gnu::noinline, gnu::no_sanitize_address]] void jump(void** place) {
  __builtin_longjmp(place, 1);
}
}  // namespace

[[gnu::no_sanitize_address]] void Fiber::switch_in() {
  if (__builtin_setjmp(resumer_place_) != 0) return;
  if (started_) jump(place_);
  started_ = true;
  setcontext(&context_);
}
[[gnu::no_sanitize_address]] void Fiber::switch_out() {
  if (__builtin_setjmp(place_) == 0) jump(resumer_place_);
}

#endif

void Fiber::arrived() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(own_fake_stack_, &resumer_stack_, &resumer_stack_size_);
#endif
}

}  // namespace sluice::emulator
