// How gradients become steps: optimizers with Keras 3's names, defaults and formulas.
//
//   .optimizer = "adam"                                  the name, with Keras' defaults
//   .optimizer = "adamw(weight_decay=0.01)"              with others, as flags and configs have it
//   .optimizer = Adam({.learning_rate = 5e-4f, .clipnorm = 1})     the same in a program
//
// Notation: g gradient of the mean loss of a batch, w parameter, lr the learning rate, t the step
// counted from 1, all elementwise; slots start at 0 where nothing else is said. Everything is
// float32; what depends on the step alone, such as 1 - beta_1^t, is computed in double.
//
// What all of them have besides, in the order of a step:
//
//   clipvalue c         g = min(max(g, -c), c)
//   clipnorm c          g = g c / max(|g|, c), |g| the norm of the parameter's whole gradient
//   global_clipnorm c   g = g c / max(|G|, c), |G| the norm of all gradients together
//   weight_decay d      w -= w d lr, before the step, of every trained parameter, biases too, but
//                       for those that exclude_from_weight_decay has: parts of weights' own names
//                       ("bias"), or whole names with their layers' ("dense_1/kernel")
//   use_ema             after the step: a = ema_momentum a + (1 - ema_momentum) w, in the first
//                       step a = w. Parameters become their averages a when the training ends, and
//                       after every ema_overwrite_frequency steps
//
// 0 is none, as Keras' None; of the clippings one may be set. use_ema needs one float of slots per
// parameter more.
//
// In a distributed job (sluice/trainer.h) everything is done where the optimizer steps, at the
// workers or at the servers, but for this: with AsyncSgd a worker clips norms, of the mean gradient
// that it pushes; and use_ema is of the servers' parameters, whatever the trainer. A push that sums
// up k mini-batches counts as k steps at once, from w as it is after the push:
//
//   a = m^k a + (1 - m^k) w   with m = ema_momentum;   in the first push a = w
//
// and parameters become their averages, at the servers, after a push with which the mini-batches
// reach or pass a multiple of ema_overwrite_frequency. Workers keep no averages.
//
// As texts: "adamw(exclude_from_weight_decay=['bias', 'gamma', 'dense_1/kernel'])". In Keras it is
// Optimizer.exclude_from_weight_decay(), with var_names (which may be regular expressions there) or
// var_list; configs of Keras do not have it. A name that the model has not is an error.
//
// Ranges, checked when training starts (std::invalid_argument, naming the field): numbers finite
// and at least 0; momentum and ema_momentum from 0 to 1; rho and betas at least 0 and below 1, but
// Ftrl's beta, which only is at least 0, as its other numbers are; learning_rate_power at most 0.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sluice/cplusplus.h"
#include "sluice/learning_rate.h"

namespace sluice {

// A choice of optimizer with its hyperparameters: a value, which holds no state of training. Made
// from a text or by one of the functions below.
struct OptimizerSpec {
  OptimizerSpec() = default;  // SGD()
  // A name, which is Keras' class name in any letter case, with Keras' defaults; behind it values
  // for some of its arguments: "rmsprop(centered=true, learning_rate=0.01)",
  // "sgd(learning_rate=CosineDecay(initial_learning_rate=0.1, decay_steps=5000))".
  // Throws std::invalid_argument, saying what there is, for any other.
  OptimizerSpec(const char* text) : OptimizerSpec(std::string(text)) {}  // NOLINT: implicit
  OptimizerSpec(const std::string& text);                                // NOLINT: implicit

  std::string name = "sgd";  // Keras' class name in lower case
  LearningRate learning_rate = 0.01;
  // The optimizer's own, all of them, by Keras' names; flags are 0 or 1.
  std::map<std::string, float> hyperparameters = {{"momentum", 0.0f}, {"nesterov", 0.0f}};
  float weight_decay = 0;
  std::vector<std::string> exclude_from_weight_decay{};
  float clipnorm = 0;
  float clipvalue = 0;
  float global_clipnorm = 0;
  bool use_ema = false;
  float ema_momentum = 0.99f;
  int64_t ema_overwrite_frequency = 0;  // steps; 0: only at the end

  friend bool operator==(const OptimizerSpec&, const OptimizerSpec&) = default;
};

// Stochastic gradient descent, with momentum (Polyak, 1964) or Nesterov's (Sutskever et al., 2013).
//
//   momentum = 0:  w -= lr g
//   otherwise:     m = momentum m - lr g;   w += m,   or with nesterov   w += momentum m - lr g
//
// No slot without momentum, else one float per parameter. Keras: keras.optimizers.SGD.
struct SgdOptions {
  LearningRate learning_rate = 0.01;
  float momentum = 0.0f;
  bool nesterov = false;
  float weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::vector<std::string> exclude_from_weight_decay{};
  bool use_ema = false;
  float ema_momentum = 0.99f;
  int64_t ema_overwrite_frequency = 0;
};
OptimizerSpec SGD(const SgdOptions& options = {});

// Steps divided by a running mean of the gradient's size (Tieleman & Hinton, 2012).
//
//   v = rho v + (1 - rho) g^2
//   d = v,   or centered   a = rho a + (1 - rho) g,  d = max(v - a^2, 0)
//   w -= lr g / sqrt(d + epsilon),
//        or with momentum   m = momentum m + lr g / sqrt(d + epsilon),   w -= m
//
// One to three floats of slots per parameter: v, m with momentum, a when centered.
// Keras: keras.optimizers.RMSprop.
struct RmspropOptions {
  LearningRate learning_rate = 0.001;
  float rho = 0.9f;
  float momentum = 0.0f;
  float epsilon = 1e-7f;
  bool centered = false;
  float weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::vector<std::string> exclude_from_weight_decay{};
  bool use_ema = false;
  float ema_momentum = 0.99f;
  int64_t ema_overwrite_frequency = 0;
};
OptimizerSpec RMSprop(const RmspropOptions& options = {});

// Steps divided by the sum of all gradients so far (Duchi et al., 2011), so that they shrink.
//
//   a += g^2, from initial_accumulator_value;   w -= lr g / sqrt(a + epsilon)
//
// One float of slots per parameter. Keras: keras.optimizers.Adagrad.
struct AdagradOptions {
  LearningRate learning_rate = 0.001;
  float initial_accumulator_value = 0.1f;
  float epsilon = 1e-7f;
  float weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::vector<std::string> exclude_from_weight_decay{};
  bool use_ema = false;
  float ema_momentum = 0.99f;
  int64_t ema_overwrite_frequency = 0;
};
OptimizerSpec Adagrad(const AdagradOptions& options = {});

// Steps as large as those before, in proportion to the gradient (Zeiler, 2012).
//
//   a = rho a + (1 - rho) g^2;   delta = -sqrt(d + epsilon) / sqrt(a + epsilon) g
//   d = rho d + (1 - rho) delta^2;   w += lr delta
//
// Two floats of slots per parameter: a, d. Keras: keras.optimizers.Adadelta.
struct AdadeltaOptions {
  LearningRate learning_rate = 0.001;
  float rho = 0.95f;
  float epsilon = 1e-7f;
  float weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::vector<std::string> exclude_from_weight_decay{};
  bool use_ema = false;
  float ema_momentum = 0.99f;
  int64_t ema_overwrite_frequency = 0;
};
OptimizerSpec Adadelta(const AdadeltaOptions& options = {});

// Running means of the gradient and of its square, corrected for their start at 0 (Kingma & Ba,
// 2015, in the "epsilon-hat" form).
//
//   m += (g - m)(1 - beta_1);   v += (g^2 - v)(1 - beta_2)
//   d = v,   or with amsgrad   u = max(u, v),  d = u   (Reddi et al., 2018)
//   w -= lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(d) + epsilon)
//
// Two floats of slots per parameter, three with amsgrad: m, v, u. Keras: keras.optimizers.Adam.
struct AdamOptions {
  LearningRate learning_rate = 0.001;
  float beta_1 = 0.9f;
  float beta_2 = 0.999f;
  float epsilon = 1e-7f;
  bool amsgrad = false;
  float weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::vector<std::string> exclude_from_weight_decay{};
  bool use_ema = false;
  float ema_momentum = 0.99f;
  int64_t ema_overwrite_frequency = 0;
};
OptimizerSpec Adam(const AdamOptions& options = {});

// Adam with weight decay (Loshchilov & Hutter, 2019). Keras: keras.optimizers.AdamW.
struct AdamWOptions {
  LearningRate learning_rate = 0.001;
  float weight_decay = 0.004f;
  float beta_1 = 0.9f;
  float beta_2 = 0.999f;
  float epsilon = 1e-7f;
  bool amsgrad = false;
  float clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::vector<std::string> exclude_from_weight_decay{};
  bool use_ema = false;
  float ema_momentum = 0.99f;
  int64_t ema_overwrite_frequency = 0;
};
OptimizerSpec AdamW(const AdamWOptions& options = {});

// Adam with the largest gradient in place of the mean square (Kingma & Ba, 2015).
//
//   m += (g - m)(1 - beta_1);   u = max(beta_2 u, |g|)
//   w -= lr / (1 - beta_1^t) m / (u + epsilon)
//
// Two floats of slots per parameter: m, u. Keras: keras.optimizers.Adamax.
struct AdamaxOptions {
  LearningRate learning_rate = 0.001;
  float beta_1 = 0.9f;
  float beta_2 = 0.999f;
  float epsilon = 1e-7f;
  float weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::vector<std::string> exclude_from_weight_decay{};
  bool use_ema = false;
  float ema_momentum = 0.99f;
  int64_t ema_overwrite_frequency = 0;
};
OptimizerSpec Adamax(const AdamaxOptions& options = {});

// Adam with Nesterov's momentum (Dozat, 2016).
//
//   b_t = beta_1 (1 - 0.96^t / 2);   P_t = b_1 b_2 ... b_t
//   m += (g - m)(1 - beta_1);   v += (g^2 - v)(1 - beta_2)
//   n = b_(t+1) m / (1 - P_(t+1)) + (1 - b_t) g / (1 - P_t)
//   w -= lr n / (sqrt(v / (1 - beta_2^t)) + epsilon)
//
// Two floats of slots per parameter: m, v. Keras: keras.optimizers.Nadam.
struct NadamOptions {
  LearningRate learning_rate = 0.001;
  float beta_1 = 0.9f;
  float beta_2 = 0.999f;
  float epsilon = 1e-7f;
  float weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::vector<std::string> exclude_from_weight_decay{};
  bool use_ema = false;
  float ema_momentum = 0.99f;
  int64_t ema_overwrite_frequency = 0;
};
OptimizerSpec Nadam(const NadamOptions& options = {});

// Steps of one size, in the direction of a running mean (Chen et al., 2023).
//
//   w -= lr sign(beta_1 m + (1 - beta_1) g);   m = beta_2 m + (1 - beta_2) g
//
// One float of slots per parameter. Keras: keras.optimizers.Lion.
struct LionOptions {
  LearningRate learning_rate = 0.001;
  float beta_1 = 0.9f;
  float beta_2 = 0.99f;
  float weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::vector<std::string> exclude_from_weight_decay{};
  bool use_ema = false;
  float ema_momentum = 0.99f;
  int64_t ema_overwrite_frequency = 0;
};
OptimizerSpec Lion(const LionOptions& options = {});

// Follow the regularized leader (McMahan et al., 2013), with l1, l2 and l2_shrinkage short for the
// three regularization strengths and p for -learning_rate_power.
//
//   h = g + 2 l2_shrinkage w;   b = a + g^2, a from initial_accumulator_value
//   z += h - (b^p - a^p) / lr w;   a = b
//   w = (min(max(z, -l1), l1) - z) / (a^p / lr + 2 l2 + beta / lr)
//
// Two floats of slots per parameter: a, z. lr must not be 0. Keras: keras.optimizers.Ftrl.
struct FtrlOptions {
  LearningRate learning_rate = 0.001;
  float learning_rate_power = -0.5f;
  float initial_accumulator_value = 0.1f;
  float l1_regularization_strength = 0.0f;
  float l2_regularization_strength = 0.0f;
  float l2_shrinkage_regularization_strength = 0.0f;
  float beta = 0.0f;
  float weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::vector<std::string> exclude_from_weight_decay{};
  bool use_ema = false;
  float ema_momentum = 0.99f;
  int64_t ema_overwrite_frequency = 0;
};
OptimizerSpec Ftrl(const FtrlOptions& options = {});

}  // namespace sluice
