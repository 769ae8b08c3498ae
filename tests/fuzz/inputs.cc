#include "data/inputs.h"

#include <stdexcept>
#include <vector>

#include "sluice/preprocessing.h"
#include "tests/fuzz/memory_file.h"

namespace sluice::fuzz {
namespace {

void read_as(const data::InputFormat& format, std::string_view input) {
  const auto size = static_cast<size_t>(format.shape.size());
  const auto sink = [&](std::span<const float> rows) {
    require(!rows.empty() && rows.size() % size == 0, "whole records come");
    return ok_status();
  };
  (void)data::read_inputs(MemoryFile(input).path(), format, sink);
  data::InputLines lines("-", format, sink);
  if (lines.feed(input.substr(0, input.size() / 2)).ok() &&
      lines.feed(input.substr(input.size() / 2)).ok()) {
    (void)lines.finish();
  }
  data::InputStream stream("-", format, sink);
  if (stream.feed(input.substr(0, input.size() / 3)).ok() &&
      stream.feed(input.substr(input.size() / 3)).ok()) {
    (void)stream.finish();
  }
}

}  // namespace

// A file that a model is used on; and what a model's file says of datasets.
void run_inputs(std::string_view input) {
  const Preprocessing table{
      .sample_shape = {2}, .scale = 0.5f, .columns = {"a", "b"}, .target = "y"};
  read_as({{2}, table}, input);
  read_as({{2}, {}, "y", {"id"}}, input);
  read_as({{3, 2, 2}, Preprocessing{.sample_shape = {3, 2, 2}}}, input);
  read_as({{3, 2, 3}, Preprocessing{.sample_shape = {3, 2, 3}}}, input);
  read_as({{1, 2, 1}, Preprocessing{.sample_shape = {1, 2, 1}}}, input);
  try {
    const Preprocessing read = Preprocessing::from_json(input);
    require(Preprocessing::from_json(read.to_json()) == read, "what is written is read");
  } catch (const std::invalid_argument&) {
  }
}

}  // namespace sluice::fuzz
