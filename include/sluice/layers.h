// The layers that Sluice brings, with Keras' names, argument names, defaults and formulas.
//
// Letters: N batch, H W spatial, L length, C channels, F features. Images are channels last. Shapes
// in the comments have the batch; output_shape() and ShapeError leave it out. Constructors throw
// std::invalid_argument, naming class and argument, for arguments that make no sense.
#pragma once

#include "sluice/layers/activation.h"
#include "sluice/layers/activity_regularization.h"
#include "sluice/layers/batch_normalization.h"
#include "sluice/layers/concatenate.h"
#include "sluice/layers/conv1d.h"
#include "sluice/layers/conv2d.h"
#include "sluice/layers/conv2d_transpose.h"
#include "sluice/layers/cropping.h"
#include "sluice/layers/dense.h"
#include "sluice/layers/depthwise_conv2d.h"
#include "sluice/layers/dropout.h"
#include "sluice/layers/embedding.h"
#include "sluice/layers/flatten.h"
#include "sluice/layers/global_pooling.h"
#include "sluice/layers/group_normalization.h"
#include "sluice/layers/input.h"
#include "sluice/layers/layer_normalization.h"
#include "sluice/layers/merge.h"
#include "sluice/layers/noise.h"
#include "sluice/layers/normalization.h"
#include "sluice/layers/permute.h"
#include "sluice/layers/pooling1d.h"
#include "sluice/layers/pooling2d.h"
#include "sluice/layers/prelu.h"
#include "sluice/layers/repeat_vector.h"
#include "sluice/layers/rescaling.h"
#include "sluice/layers/reshape.h"
#include "sluice/layers/rms_normalization.h"
#include "sluice/layers/separable_conv2d.h"
#include "sluice/layers/unit_normalization.h"
#include "sluice/layers/up_sampling.h"
#include "sluice/layers/zero_padding.h"
