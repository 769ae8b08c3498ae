// Everything that a program which uses Sluice needs, in one header.
//
//   dataset.h     Dataset, mnist(), load_dataset()        what is trained on
//   layers.h      Conv2D, Dense, Dropout, ...             what a model is made of
//   layer.h       CustomLayer, register_layer()           layers of the program's own
//   model.h       Sequential, load_model()                the model: fit(), evaluate(), predict()
//   losses.h      CategoricalCrossentropy, Huber, ...     what training makes small
//   optimizers.h  SGD(), Adam(), AdamW(), ...             how gradients become steps
//   learning_rate.h  CosineDecay(), ...                   how large they are over a training
//   regularizers.h, constraints.h    L2(), MaxNorm(), ...   what weights are held to
//   metrics.h     Metrics                                 what is measured besides the loss
//   trainer.h     init(), Adag, Downpour, AsyncSgd        training in several processes
//   algorithm.h   Algorithm, register_algorithm()         trainers of the program's own
//   inputs.h      read_inputs(), read_picture()           files that a model is used on
//   preprocessing.h  Preprocessing                        what a dataset did to records
//   errors.h      ShapeError, RuntimeError                what is thrown
//   status.h      Status, Result                          the same inside the library
//   shape.h       Shape                                   sizes of tensors
//   version.h     SLUICE_VERSION                          "0.1.0"
//
// It includes the standard library and nothing else, and takes C++20. examples/ has whole programs.
#pragma once

#include "sluice/algorithm.h"
#include "sluice/constraints.h"
#include "sluice/dataset.h"
#include "sluice/errors.h"
#include "sluice/inputs.h"
#include "sluice/layer.h"
#include "sluice/layers.h"
#include "sluice/learning_rate.h"
#include "sluice/losses.h"
#include "sluice/metrics.h"
#include "sluice/model.h"
#include "sluice/optimizers.h"
#include "sluice/preprocessing.h"
#include "sluice/regularizers.h"
#include "sluice/shape.h"
#include "sluice/status.h"
#include "sluice/trainer.h"
#include "sluice/version.h"
