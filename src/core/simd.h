// One source, three instruction sets: SLUICE_SIMD in front of a free function compiles its loops
// for AVX-512, AVX2 and the baseline, and the loader picks one on the machine it runs on.
//
// Only for functions whose speed matters and whose loops the compiler vectorises. The function must
// not be inline, and calls inside it are not cloned. Under a sanitizer only the baseline is built.
#pragma once

#if defined(__x86_64__) && defined(__ELF__) && !defined(SLUICE_SANITIZED)
#define SLUICE_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SLUICE_SIMD
#endif
