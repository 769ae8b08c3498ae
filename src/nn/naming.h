// Layers' names as Keras gives them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sluice/layer.h"

namespace sluice::nn {

// "Conv2D" to "conv2d", "MaxPooling2D" to "max_pooling2d", "ReLU" to "re_lu".
std::string snake_case(const std::string& class_name);

// The first of conv2d, conv2d_1, conv2d_2, ... that no layer has.
std::string next_name(const std::string& class_name,
                      const std::vector<std::unique_ptr<Layer>>& layers);

}  // namespace sluice::nn
