#include "data/csv.h"

#include "tests/fuzz/memory_file.h"

namespace sluice::fuzz {

void run_csv(std::string_view input) {
  const MemoryFile file(input);
  using Means = data::CsvOptions::Means;
  for (const Means means : {Means::kClasses, Means::kNumbers}) {
    const auto records = data::read_csv(file.path(), {.target = "y", .means = means});
    if (!records.ok()) continue;
    require(data::read_csv_like(file.path(), (*records)->info()).ok(), "a file goes with itself");
    (void)data::read_csv_parts(file.path(), {.target = "y", .means = means}, 1);
  }
}

}  // namespace sluice::fuzz
