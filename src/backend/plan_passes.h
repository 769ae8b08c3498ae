// What make_plan() (backend/plan.h) does one after the other, once the steps are known.
#pragma once

#include "backend/plan.h"

namespace sluice::backend {

// Tensor::readers.
void find_readers(Plan& plan);

// Layouts: as many images in blocks as nobody would have to convert, and conversions around ops
// that gain more than these cost.
void choose_layouts(const Graph& graph, const PlanOptions& options, Plan& plan);

// Who has a gradient, who writes it and who adds to it, and who multiplies it by an activation's
// derivative.
void plan_gradients(const Graph& graph, const PlanOptions& options, Plan& plan);

}  // namespace sluice::backend
