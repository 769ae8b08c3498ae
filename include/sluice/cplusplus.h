// Sluice's headers take C++20. Whoever compiles one of them as an older C++ is told so, and nothing
// else: what would follow from it is a page of errors, so the compiler is stopped by a header that
// is not there.
//
// Every header but version.h includes it, most of them through another one.
#pragma once

#if __cplusplus <= 201703L
#error "Sluice's headers need C++20: compile with -std=c++20, or link sluice::sluice in CMake"
#include "sluice/cplusplus20_is_needed.h"
#endif
