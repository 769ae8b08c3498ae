// Large simulated jobs beside what formulas say of them.
#pragma once

namespace sluice::simulator {

// Some minutes; Markdown, on standard output.
void print_scale();

}  // namespace sluice::simulator
