// The optimizer's variables in Keras' files: how many steps it has made, and its slots.
//
// Keras 3 writes, all of the variables that are trained (formats/keras_layers.h):
//
//   iterations, learning_rate (unless a schedule gives it), the averages of use_ema, and then
//     of SGD, RMSprop, Adagrad, Lion             one slot of all variables, then the next
//     of Adam, AdamW, Adamax, Nadam, Adadelta,   all slots of one variable, then of the next; last
//        Ftrl                                    velocity_hat of all, and Nadam's product of betas
//
// Keras 2 (from 2.11 on) has neither the learning rate nor Nadam's product, and a momentum of SGD
// also where that is 0.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/parameter_set.h"
#include "formats/hdf5_reader.h"
#include "nn/training_state.h"
#include "sluice/model.h"

namespace sluice::formats {

// A variable of an optimizer's, with what is known of it before it has a value.
struct OptimizerVariable {
  enum class Kind { kIterations, kLearningRate, kSlot, kUnused, kProduct };
  Kind kind = Kind::kUnused;
  size_t slot = 0;                           // of optim::slots_of()
  const core::Variable* variable = nullptr;  // whose it is; null: a single number
};
enum class KerasVersion { k2, k3 };
std::vector<OptimizerVariable> optimizer_variables(const OptimizerSpec& optimizer,
                                                   const Model& model, KerasVersion version);

// From the datasets of /optimizer/vars or of /optimizer_weights, in their order: fills in
// iterations, slots and the learning rate, or nothing where it has never stepped. Throws
// RuntimeError when they are not this optimizer's.
void read_optimizer_state(Hdf5Reader& file, const std::vector<const Hdf5Array*>& stored,
                          const Model& model, nn::TrainingState& training);

// What Nadam's product of betas is after so many steps.
float nadam_product(const OptimizerSpec& optimizer, int64_t iterations);

}  // namespace sluice::formats
