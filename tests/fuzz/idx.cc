#include "data/idx.h"

#include <algorithm>

#include "tests/fuzz/memory_file.h"

namespace sluice::fuzz {

// The first byte: how much behind it are the labels. The images follow.
void run_idx(std::string_view input) {
  if (input.empty()) return;
  const size_t labels = std::min(size_t{static_cast<unsigned char>(input[0])}, input.size() - 1);
  const MemoryFile label_file(input.substr(1, labels)), image_file(input.substr(1 + labels));
  (void)data::read_idx(image_file.path(), label_file.path(), {.name = "fuzz"});
}

}  // namespace sluice::fuzz
