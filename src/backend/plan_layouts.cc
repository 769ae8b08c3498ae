// Layouts: as many images in blocks of channels as nobody would have to convert.
#include <algorithm>
#include <utility>

#include "backend/plan_passes.h"

namespace sluice::backend {
namespace {

bool is_image(const Shape& shape) { return shape.rank() == 3; }

class LayoutPass {
 public:
  LayoutPass(const Graph& graph, const PlanOptions& options, Plan& plan)
      : graph_(graph), options_(options), plan_(plan) {}

  void run() {
    for (Tensor& tensor : plan_.tensors) {
      if (may_be_in_blocks(tensor)) tensor.layout = Layout::kBlocked16;
    }
    // What leaves the blocks may take others along.
    while (std::any_of(plan_.steps.begin(), plan_.steps.end(),
                       [this](const Step& step) { return agree(step); })) {
    }
    // Blocks are for convolutions: what none of them takes or gives stays as it is.
    const std::vector<bool> convolved = find_convolved();
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      if (!convolved[i]) plan_.tensors[i].layout = Layout::kPlain;
    }
    convert_layouts();
  }

 private:
  size_t add_tensor(Tensor tensor) {
    plan_.tensors.push_back(std::move(tensor));
    return plan_.tensors.size() - 1;
  }

  ImageLayouts layouts_of(const Step& step) const {
    if (step.op == nullptr) return ImageLayouts::kSame;
    // It will have a conversion where its neighbours are not in blocks.
    if (gains_from_blocks(step)) return ImageLayouts::kEach;
    return traits_of(graph_, *step.op).layouts;
  }

  bool gains_from_blocks(const Step& step) const {
    // What is added up in place has one layout.
    if (step.op == nullptr || step.adds || options_.gains_from_blocks == nullptr) return false;
    const Tensor& y = plan_.tensors[step.output];
    return options_.gains_from_blocks(*step.op, y.type, step.inputs.front().shape, y.shape);
  }

  // Whether a tensor can be in blocks as far as it alone is concerned: those who read it take the
  // image as it was written.
  bool may_be_in_blocks(const Tensor& tensor) const {
    if (!tensor.step || tensor.is_output || !is_image(tensor.shape) ||
        tensor.shape[2] % kChannelBlock != 0 ||
        layouts_of(plan_.steps[*tensor.step]) == ImageLayouts::kPlain) {
      return false;
    }
    return std::all_of(tensor.readers.begin(), tensor.readers.end(), [&](size_t reader) {
      const Step& step = plan_.steps[reader];
      if (layouts_of(step) == ImageLayouts::kPlain) return false;
      return std::all_of(step.inputs.begin(), step.inputs.end(), [&](const Step::Input& input) {
        return &plan_.tensors[input.tensor] != &tensor || input.shape == tensor.shape;
      });
    });
  }

  // Takes the tensors of a step out of blocks that cannot be in them together; whether it did.
  bool agree(const Step& step) {
    const ImageLayouts layouts = layouts_of(step);
    if (layouts == ImageLayouts::kEach || layouts == ImageLayouts::kPlain) return false;
    Tensor& y = plan_.tensors[step.output];
    if (layouts == ImageLayouts::kConvolution && is_few_channels(step.inputs.front())) return false;
    bool all = y.layout == Layout::kBlocked16, any = all;
    for (const Step::Input& input : step.inputs) {
      const bool blocked = plan_.tensors[input.tensor].layout == Layout::kBlocked16;
      all = all && blocked;
      any = any || blocked;
    }
    if (all || !any) return false;
    y.layout = Layout::kPlain;
    for (const Step::Input& input : step.inputs) {
      plan_.tensors[input.tensor].layout = Layout::kPlain;
    }
    return true;
  }

  // Of an input of the graph, also in another type or moved, so that it needs no gradient.
  bool is_few_channels(const Step::Input& input) const {
    size_t tensor = input.tensor;
    while (plan_.tensors[tensor].step) {
      const Step& step = plan_.steps[*plan_.tensors[tensor].step];
      if (step.inputs.size() != 1 || step.trains_parameters()) return false;
      tensor = step.inputs.front().tensor;
    }
    return input.shape.dims().back() <= 3;
  }

  // Puts conversions around what gains from blocks and has neighbours that are not in them.
  void convert_layouts() {
    std::vector<Step> steps = std::exchange(plan_.steps, {});
    const auto add_again = [this](Step step, size_t output) {
      step.output = output;
      plan_.tensors[output].step = plan_.steps.size();
      plan_.steps.push_back(std::move(step));
    };
    const auto conversion_of = [](size_t tensor, const Shape& shape) {
      Step conversion{.keeps_gradient = true};
      conversion.inputs.push_back({tensor, shape});
      return conversion;
    };
    struct Converted {
      size_t plain, in_blocks;
    };
    std::vector<Converted> converted;
    const auto in_blocks = [&](const Step::Input& x) {
      for (const Converted& image : converted) {
        if (image.plain == x.tensor && plan_.tensors[image.in_blocks].shape == x.shape) {
          return image.in_blocks;
        }
      }
      const size_t tensor = add_tensor(
          {.shape = x.shape, .type = plan_.tensors[x.tensor].type, .layout = Layout::kBlocked16});
      add_again(conversion_of(x.tensor, x.shape), tensor);
      converted.push_back({x.tensor, tensor});
      return tensor;
    };
    for (Step& step : steps) {
      const size_t y = step.output;
      if (!gains_from_blocks(step)) {
        add_again(std::move(step), y);
        continue;
      }
      Step::Input& x = step.inputs.front();
      if (plan_.tensors[x.tensor].layout == Layout::kPlain) x.tensor = in_blocks(x);
      if (plan_.tensors[y].layout == Layout::kBlocked16) {
        add_again(std::move(step), y);
        continue;
      }
      const Shape shape = plan_.tensors[y].shape;
      const size_t tensor =
          add_tensor({.shape = shape,
                      .type = plan_.tensors[y].type,
                      .layout = Layout::kBlocked16,
                      .activation = std::exchange(plan_.tensors[y].activation, Activation())});
      add_again(std::move(step), tensor);
      add_again(conversion_of(tensor, shape), y);
      converted.push_back({y, tensor});
    }
    find_readers(plan_);
  }

  // Which tensors a convolution takes or gives, or shares its layout with.
  std::vector<bool> find_convolved() const {
    std::vector<bool> convolved(plan_.tensors.size(), false);
    for (bool changed = true; changed;) {
      changed = false;
      for (const Step& step : plan_.steps) {
        const ImageLayouts layouts = layouts_of(step);
        const bool gains = gains_from_blocks(step);
        if (!gains && (layouts == ImageLayouts::kEach || layouts == ImageLayouts::kPlain)) continue;
        bool any = layouts != ImageLayouts::kSame || convolved[step.output];
        for (const Step::Input& input : step.inputs) any = any || convolved[input.tensor];
        const auto mark = [&](size_t tensor) {
          changed = changed || (any && !convolved[tensor]);
          convolved[tensor] = convolved[tensor] || any;
        };
        mark(step.output);
        for (const Step::Input& input : step.inputs) mark(input.tensor);
      }
    }
    return convolved;
  }

  const Graph& graph_;
  const PlanOptions& options_;
  Plan& plan_;
};

}  // namespace

void choose_layouts(const Graph& graph, const PlanOptions& options, Plan& plan) {
  LayoutPass(graph, options, plan).run();
}

}  // namespace sluice::backend
