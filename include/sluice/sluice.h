// Everything a program that uses Sluice needs.
#pragma once

#include "sluice/dataset.h"
#include "sluice/errors.h"
#include "sluice/layer.h"
#include "sluice/layers.h"
#include "sluice/model.h"
#include "sluice/optimizers.h"
#include "sluice/shape.h"
#include "sluice/status.h"
#include "sluice/trainer.h"
