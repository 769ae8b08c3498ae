// A stack of its own for a piece of code that can stop in the middle and go on later.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <functional>

namespace sluice::emulator {

// Used by one thread only. A fiber may be destroyed while it is suspended; what its stack holds is
// then forgotten, not destroyed.
class Fiber {
 public:
  explicit Fiber(std::function<void()> body);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Runs the body, from its start or from where it suspended, until it suspends or returns. After
  // it has returned the next resume() starts it again.
  void resume();

  // Goes back to the resume() that runs this fiber: called by its body.
  void suspend();

  // The one that runs now on this thread; null outside of all.
  static Fiber* current();

 private:
  static void enter();
  void switch_in();
  void switch_out();
  void arrived();  // on this fiber, after a switch to it

  std::function<void()> body_;
  void* memory_;
  bool started_ = false;
  // Where both sides go on: as ThreadSanitizer understands it, and as it is fast.
  ucontext_t context_;
  ucontext_t resumer_;
  void* place_[5];  // __builtin_setjmp()'s
  void* resumer_place_[5];
  Fiber* resumed_by_ = nullptr;
  // What the sanitizers want to know of both stacks.
  void* own_fake_stack_ = nullptr;
  const void* resumer_stack_ = nullptr;
  size_t resumer_stack_size_ = 0;
  void* tsan_fiber_ = nullptr;
  void* tsan_resumer_ = nullptr;
};

}  // namespace sluice::emulator
