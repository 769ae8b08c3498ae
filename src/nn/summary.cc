// Model::summary(): the table that Keras 3 prints where it does not know the terminal's width.
#include <fmt/core.h>

#include <array>
#include <span>
#include <utility>
#include <vector>

#include "core/count_text.h"
#include "core/printable.h"
#include "core/process_info.h"
#include "nn/lowering.h"
#include "nn/model_impl.h"

namespace sluice {

using core::printable;

namespace {

// Of the text in each column, without and with the last one; a blank and a rule stand on both
// sides.
constexpr std::array<size_t, 3> kWidthsOfChain = {31, 22, 13};
constexpr std::array<size_t, 4> kWidthsOfGraph = {19, 17, 10, 17};
constexpr size_t kNumbers = 2;  // the column that is to the right
using Widths = std::span<const size_t>;
using Cells = std::vector<std::string>;   // at least as many as there are columns
using Rule = std::array<const char*, 4>;  // left end, line, crossing, right end

constexpr Rule kTop = {"┏", "━", "┳", "┓"};
constexpr Rule kBelowHeader = {"┡", "━", "╇", "┩"};
constexpr Rule kBetween = {"├", "─", "┼", "┤"};
constexpr Rule kBottom = {"└", "─", "┴", "┘"};

// Characters, not bytes, of UTF-8.
size_t width_of(const std::string& text) {
  size_t width = 0;
  for (char c : text) width += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return width;
}

std::string rule(const Rule& parts, Widths widths) {
  std::string line = parts[0];
  for (size_t column = 0; column < widths.size(); ++column) {
    if (column > 0) line += parts[2];
    for (size_t i = 0; i < widths[column] + 2; ++i) line += parts[1];
  }
  return line + parts[3] + "\n";
}

std::string shortened(const std::string& word, size_t width) {
  if (width_of(word) <= width) return word;
  size_t bytes = 0;
  for (size_t characters = 0; bytes < word.size(); ++bytes) {
    characters += (static_cast<unsigned char>(word[bytes]) & 0xC0) != 0x80;
    if (characters == width) break;
  }
  return word.substr(0, bytes) + "…";
}

// Broken at blanks; a word that is too long gets a line of its own and ends in an ellipsis.
std::vector<std::string> wrapped(const std::string& text, size_t width) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = shortened(text.substr(begin, end - begin), width);
    if (!lines.empty() && width_of(lines.back()) + 1 + width_of(word) <= width) {
      lines.back() += " " + word;
    } else {
      lines.push_back(word);
    }
    begin = end + 1;
  }
  return lines;
}

std::string row(const Cells& cells, Widths widths, const char* bar) {
  std::vector<std::vector<std::string>> columns;
  size_t height = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    columns.push_back(wrapped(cells[i], widths[i]));
    height = std::max(height, columns[i].size());
  }
  std::string text;
  for (size_t line = 0; line < height; ++line) {
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string cell = line < columns[i].size() ? columns[i][line] : "";
      const std::string blanks(widths[i] - width_of(cell), ' ');
      text += bar;
      text += ' ';
      text += i == kNumbers ? blanks : cell;
      text += i == kNumbers ? cell : blanks;
      text += ' ';
    }
    text += bar;
    text += '\n';
  }
  return text;
}

std::string with_batch(const Shape& shape) {
  std::string text = "(None";
  for (int64_t size : shape.dims()) text += ", " + std::to_string(size);
  return text + ")";
}

std::string total(const char* label, size_t parameters) {
  return fmt::format(" {}: {} ({})\n", label,
                     core::with_separators(static_cast<int64_t>(parameters)),
                     core::memory_text(static_cast<double>(parameters * sizeof(float))));
}

size_t count_params(const Layer& layer, const Shape& input) {
  size_t count = 0;
  for (const WeightSpec& weight : layer.weights(input)) {
    count += static_cast<size_t>(weight.shape.size());
  }
  return count;
}

// Whether each layer is called once, with what the one before it gives.
bool is_chain(const Model::Impl& impl) {
  if (impl.is_sequential) return true;
  if (impl.inputs.size() > 1 || impl.calls.size() != impl.layers.size()) return false;
  for (size_t i = 0; i < impl.calls.size(); ++i) {
    if (impl.calls[i].inputs != std::vector<Model::Impl::Value>{i}) return false;
  }
  return true;
}

// "conv2d[0][0], shared[1][0]": where all calls of each layer have their inputs from.
std::vector<std::string> connections_of(const Model::Impl& impl) {
  std::vector<std::string> connections(impl.layers.size());
  std::vector<size_t> calls(impl.layers.size());
  std::vector<std::string> places;  // of each value
  for (const Model::Impl::InputValue& input : impl.inputs) places.push_back(input.name + "[0][0]");
  for (const Model::Impl::Call& call : impl.calls) {
    for (const Model::Impl::Value value : call.inputs) {
      std::string& text = connections[call.layer];
      text += (text.empty() ? "" : ", ") + places[value];
    }
    places.push_back(
        fmt::format("{}[{}][0]", impl.layers[call.layer]->name(), calls[call.layer]++));
  }
  return connections;
}

}  // namespace

std::string Model::summary() const {
  const bool chain = is_chain(*impl_);
  const Widths widths = chain ? Widths(kWidthsOfChain) : Widths(kWidthsOfGraph);
  std::string text = fmt::format("Model: \"{}\"\n", printable(name())) + rule(kTop, widths) +
                     row({"Layer (type)", "Output Shape", "Param #", "Connected to"}, widths, "┃") +
                     rule(kBelowHeader, widths);
  const auto connections = chain ? Cells(layers().size()) : connections_of(*impl_);
  bool is_first = true;
  const auto add = [&](const Cells& cells) {
    if (!std::exchange(is_first, false)) text += rule(kBetween, widths);
    text += row(cells, widths, "│");
  };
  const auto add_layer = [&](size_t i) {
    const Layer& layer = *layers()[i];
    Cells cells = {printable(fmt::format("{} ({})", layer.name(), layer.class_name())), "?",
                   "0 (unbuilt)", printable(connections[i])};
    if (!impl_->inputs.empty()) {
      const Impl::Call& call = impl_->call_of(i);
      cells[1] = with_batch(call.output);
      cells[2] = core::with_separators(
          static_cast<int64_t>(sluice::count_params(layer, impl_->inputs_of(call).front())));
    }
    add(cells);
  };
  for (const size_t place : impl_->order) {
    if (place >= impl_->inputs.size()) {
      add_layer(place - impl_->inputs.size());
    } else {
      const Impl::InputValue& input = impl_->inputs[place];
      add({printable(input.name + " (InputLayer)"), with_batch(input.shape), "0", "-"});
    }
  }
  for (size_t i = 0; impl_->order.empty() && i < layers().size(); ++i) add_layer(i);
  size_t trainable = 0;
  for (const core::Variable& variable : parameters().layout().variables()) {
    if (nn::is_trained(*this, variable)) trainable += variable.size();
  }
  return text + rule(kBottom, widths) + total("Total params", count_params()) +
         total("Trainable params", trainable) +
         total("Non-trainable params", count_params() - trainable);
}

}  // namespace sluice
