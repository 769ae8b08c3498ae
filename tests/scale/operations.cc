#include "tests/scale/operations.h"

namespace {
int64_t g_operations = 0;
}  // namespace

// What the compiler calls at the beginning of each basic block (-fsanitize-coverage=trace-pc).
extern "C" void __sanitizer_cov_trace_pc();
extern "C" void __sanitizer_cov_trace_pc() { ++g_operations; }

namespace sluice::scale {

int64_t operations() { return g_operations; }

}  // namespace sluice::scale
