// What the program itself did wrong: exceptions thrown while a model or a job is put together.
#pragma once

#include <stdexcept>
#include <string>

namespace sluice {

// A layer got an input it cannot take. The message says who, what was expected and what came:
//   Dense "dense_1": expected an input of rank 1 (without the batch), got [28, 28, 1]
class ShapeError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// A Status that has reached code which reports failure by exceptions: the C++ API's train(),
// fit() and dataset loaders. what() is the status' one line.
class RuntimeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A signal (SIGINT, SIGTERM, ...) has ended train() before all was trained. The model has what was
// learned until then, as after Keras' KeyboardInterrupt.
class Interrupted : public RuntimeError {
 public:
  Interrupted(const std::string& what, int signal) : RuntimeError(what), signal_(signal) {}
  int signal() const { return signal_; }  // its number: SIGINT, ...

 private:
  int signal_;
};

}  // namespace sluice
