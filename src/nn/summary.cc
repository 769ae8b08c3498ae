// Model::summary(): the table that Keras 3 prints where it does not know the terminal's width.
#include <fmt/core.h>

#include <array>
#include <utility>

#include "core/count_text.h"
#include "core/process_info.h"
#include "nn/lowering.h"
#include "nn/model_impl.h"

namespace sluice {
namespace {

// Of the text in each column; a blank and a rule stand on both sides.
constexpr std::array<size_t, 3> kWidths = {31, 22, 13};
using Cells = std::array<std::string, 3>;
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

std::string rule(const Rule& parts) {
  std::string line = parts[0];
  for (size_t column = 0; column < kWidths.size(); ++column) {
    if (column > 0) line += parts[2];
    for (size_t i = 0; i < kWidths[column] + 2; ++i) line += parts[1];
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

std::string row(const Cells& cells, const char* bar) {
  std::array<std::vector<std::string>, 3> columns;
  size_t height = 0;
  for (size_t i = 0; i < cells.size(); ++i) {
    columns[i] = wrapped(cells[i], kWidths[i]);
    height = std::max(height, columns[i].size());
  }
  std::string text;
  for (size_t line = 0; line < height; ++line) {
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string cell = line < columns[i].size() ? columns[i][line] : "";
      const std::string blanks(kWidths[i] - width_of(cell), ' ');
      text += bar;
      text += ' ';
      text += i == 2 ? blanks : cell;  // numbers to the right
      text += i == 2 ? cell : blanks;
      text += ' ';
    }
    text += bar;
    text += '\n';
  }
  return text;
}

// Names come from files, and may hold what would move the cursor.
std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
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

}  // namespace

std::string Model::summary() const {
  std::string text = fmt::format("Model: \"{}\"\n", printable(name())) + rule(kTop) +
                     row({"Layer (type)", "Output Shape", "Param #"}, "┃") + rule(kBelowHeader);
  bool is_first = true;
  const auto add = [&](const Cells& cells) {
    if (!std::exchange(is_first, false)) text += rule(kBetween);
    text += row(cells, "│");
  };
  // Of a single input the first layer says enough.
  const bool with_inputs = impl_->inputs.size() > 1;
  const auto add_layer = [&](size_t i) {
    const Layer& layer = *layers()[i];
    Cells cells = {printable(fmt::format("{} ({})", layer.name(), layer.class_name())), "?",
                   "0 (unbuilt)"};
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
    } else if (with_inputs) {
      const Impl::InputValue& input = impl_->inputs[place];
      add({printable(input.name + " (InputLayer)"), with_batch(input.shape), "0"});
    }
  }
  for (size_t i = 0; impl_->order.empty() && i < layers().size(); ++i) add_layer(i);
  size_t trainable = 0;
  for (const core::Variable& variable : parameters().layout().variables()) {
    if (nn::is_trained(*this, variable)) trainable += variable.size();
  }
  return text + rule(kBottom) + total("Total params", count_params()) +
         total("Trainable params", trainable) +
         total("Non-trainable params", count_params() - trainable);
}

}  // namespace sluice
