// What the program itself did wrong, and failures of the world in an API without Status: the
// exceptions that Sluice throws of its own.
//
//   std::invalid_argument   an option, a name or a dataset that makes no sense; the message begins
//                           with the argument: `batch_size: expected at least 1 sample`
//   ShapeError              of these, shapes that do not fit each other
//   std::logic_error        calls in the wrong order, such as train() without init()
//   RuntimeError            a file, a network, a device or a process failed
//
// what() is one line for people: who, what was expected, what came, and what to do where that is
// not plain. All are thrown on the thread that made the call, and nothing else has changed then
// unless the function says so.
#pragma once

#include <stdexcept>
#include <string>

#include "sluice/cplusplus.h"

namespace sluice {

// A layer, a model or a dataset got a shape that it cannot take. Shapes are without the batch:
//
//   Conv2D "conv2d": expected an input of rank 3, [H, W, C] (without the batch), got [784]
//   model "sequential" takes [28, 28, 1], but the records of iris are [4]
//
// Also for weights that this machine's memory cannot hold.
class ShapeError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// A failure that correct programs meet as well: a file that is missing or damaged, a device that is
// not there, a job whose last worker died. Thrown by the dataset loaders, by save_weights(),
// load_weights(), load_model(), fit(), evaluate(), predict() and Trainer::train(). what() is the
// message of the Status (sluice/status.h) that was returned inside.
class RuntimeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A signal (SIGINT, SIGTERM, ...), or `sluice ctl stop`, has ended train() before all was trained.
// The model has what was learned until then, as after Keras' KeyboardInterrupt.
class Interrupted : public RuntimeError {
 public:
  Interrupted(const std::string& what, int signal) : RuntimeError(what), signal_(signal) {}
  int signal() const { return signal_; }  // its number: SIGINT, ...; 0: none

 private:
  int signal_;
};

}  // namespace sluice
