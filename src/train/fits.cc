#include "train/fits.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>

#include "backend/validate.h"
#include "core/count_text.h"
#include "loss/traits.h"
#include "sluice/errors.h"
#include "train/job_config.h"

namespace sluice::train {
namespace {

// The same numbers in the same order: an image of one channel with or without it, or a flat vector.
bool takes(const Shape& input, const Shape& record) {
  const auto without_ones = [](const Shape& shape) {
    std::vector<int64_t> dims = shape.dims();
    std::erase(dims, 1);
    return dims;
  };
  return input.size() == record.size() &&
         (input.rank() == 1 || without_ones(input) == without_ones(record));
}

// A record of a model with several inputs has them one after another in a row.
void check_inputs(const Model& model, const data::RecordsInfo& info) {
  const std::vector<Shape> inputs = model.input_shapes();
  int64_t size = 0;
  std::string shapes;
  for (const Shape& input : inputs) {
    size += input.size();
    shapes += (shapes.empty() ? "" : ", ") + input.to_string();
  }
  const bool fits = inputs.size() == 1 ? takes(inputs.front(), info.sample_shape)
                                       : info.sample_shape == Shape{size};
  if (fits) return;
  throw ShapeError(fmt::format("model \"{}\" takes {}, but the records of {} are {}", model.name(),
                               shapes, info.name, info.sample_shape.to_string()));
}

// Several outputs: each has its part of a record's numbers.
void check_targets(const Model& model, const data::RecordsInfo& info,
                   const std::vector<nn::OutputTask>& tasks) {
  const backend::Graph graph = nn::lower(model, nn::parse_tasks(tasks));
  const std::vector<std::string> names = model.output_names();
  std::string wanted;
  for (size_t k = 0; k < tasks.size(); ++k) {
    wanted +=
        fmt::format("{}{} of \"{}\" ({})", k == 0 ? "" : ", ", graph.target_size(graph.outputs[k]),
                    names[k], loss::short_name(tasks[k].loss));
  }
  const std::string has =
      info.classes > 0 ? "one class" : core::counted(info.values, "number", "numbers");
  if (info.classes == 0 && info.values == graph.target_size()) return;
  throw ShapeError(fmt::format(
      "model \"{}\" has several outputs, whose targets are {}, but a record of {} has {}: make the "
      "dataset of an array for each output",
      model.name(), wanted, info.name, has));
}

// A record has one class number, not one for each position of an output [T..., K].
void check_one_position(const Model& model, const data::RecordsInfo& info, const LossSpec& loss) {
  const Shape output = model.output_shape();
  if (output.rank() == 0 || output.dims().back() == output.size()) return;
  throw ShapeError(fmt::format(
      "model \"{}\" has the output {}: {} takes a class number for each of its positions, but a "
      "record of {} has one; use categorical_crossentropy, or a Flatten before",
      model.name(), output.to_string(), loss.name(), info.name));
}

// Targets that are numbers.
void check_numbers(const Model& model, const data::RecordsInfo& info, const LossSpec& loss) {
  const loss::Traits traits = loss::traits_of(loss);
  const Shape shape = model.output_shape();
  if (traits.class_target == loss::ClassTarget::kNumber) {
    // A program may have put class numbers into an array of targets, one for each position.
    const int64_t classes = shape.rank() == 0 ? 1 : shape.dims().back();
    if (classes > 1 && info.values == shape.size() / classes) return;
    throw std::invalid_argument(
        fmt::format("loss {} compares class numbers, but the targets of {} are numbers to predict: "
                    "use mse",
                    loss.name(), info.name));
  }
  const int64_t outputs = model.output_shape().size();
  if (outputs == 1 && traits.link == loss::Link::kSoftmax) {
    throw std::invalid_argument(fmt::format(
        "loss {} of a single output is 0 whatever it says: use mse for the numbers of {}, or "
        "binary_crossentropy where they are 0 and 1",
        loss.name(), info.name));
  }
  if (outputs != info.values) {
    throw ShapeError(fmt::format("model \"{}\" has {}, but a target of {} is {}", model.name(),
                                 core::counted(outputs, "output", "outputs"), info.name,
                                 core::counted(info.values, "number", "numbers")));
  }
}

// How many outputs the classes need.
int64_t outputs_for(const data::RecordsInfo& info, const LossSpec& loss) {
  if (loss::traits_of(loss).predicts == loss::Predicts::kEmbeddings) return 1;
  const auto* sparse = std::get_if<SparseCategoricalCrossentropy>(&loss.loss);
  const bool last_is_ignored = sparse != nullptr && sparse->ignore_class == info.classes - 1;
  return last_is_ignored ? std::max(info.classes - 1, 1) : info.classes;
}

// What may help where outputs and classes do not agree.
const char* outputs_hint(int64_t outputs, const data::RecordsInfo& info, const LossSpec& loss) {
  if (outputs == 1 && info.classes == 2) {
    return "; one output tells two classes apart where the loss is binary_crossentropy";
  }
  const bool of_classes = loss::traits_of(loss).predicts == loss::Predicts::kClasses;
  if (outputs == 1 && of_classes) return "; to predict numbers, the loss is mse";
  if (outputs + 1 == info.classes) return "; classes are numbered from 0";
  return "";
}

}  // namespace

bool predicts_numbers(const Model& model, const LossSpec& loss) {
  const std::vector<Shape> outputs = model.output_shapes();
  return loss::traits_of(loss).predicts == loss::Predicts::kNumbers && outputs.size() == 1 &&
         outputs.front().size() == 1;
}

void check_fits(const Model& model, const data::RecordsInfo& info,
                const std::vector<nn::OutputTask>& tasks) {
  check_inputs(model, info);
  const std::vector<Shape> shapes = model.output_shapes();
  for (size_t k = 0; k < tasks.size(); ++k) backend::check_loss_fits(tasks[k].loss, shapes[k]);
  if (tasks.size() > 1) return check_targets(model, info, tasks);
  const LossSpec& loss = tasks.front().loss;
  const int64_t outputs = model.output_shape().size();
  if (info.classes == 0) return check_numbers(model, info, loss);
  const loss::ClassTarget target = loss::traits_of(loss).class_target;
  const bool number = target == loss::ClassTarget::kNumber;
  if (number) check_one_position(model, info, loss);
  const int64_t needed = outputs_for(info, loss);
  const bool one_for_two = target == loss::ClassTarget::kNumberOfOne && outputs == 1 && needed == 2;
  if (one_for_two || (number ? outputs >= needed : outputs == needed)) return;
  const std::string& whose = info.classes_origin.empty() ? info.name : info.classes_origin;
  throw ShapeError(fmt::format("model \"{}\" has {}, but {} has {}{}", model.name(),
                               core::counted(outputs, "output", "outputs"), whose,
                               core::counted(info.classes, "class", "classes"),
                               outputs_hint(outputs, info, loss)));
}

std::vector<float> class_weights(const std::map<int, float>& given, const data::RecordsInfo& info) {
  if (given.empty()) return {};
  if (info.classes == 0) {
    throw InvalidField("class_weight", fmt::format("the targets of {} are numbers: there are no "
                                                   "classes to weigh",
                                                   info.name));
  }
  std::vector<float> weights(static_cast<size_t>(info.classes), 1.0f);
  for (const auto& [number, weight] : given) {
    if (number >= info.classes) {
      throw InvalidField("class_weight",
                         fmt::format("class {} of {}, which has {}, counted from 0", number,
                                     info.name, core::counted(info.classes, "class", "classes")));
    }
    weights[static_cast<size_t>(number)] = weight;
  }
  return weights;
}

}  // namespace sluice::train
