// Every instruction set that this CPU has, for programs that test the kernels of each.
#pragma once

#include <cstdio>
#include <initializer_list>

#include "runtime/cpu.h"

namespace latent {
namespace test {

inline constexpr const char* kSetNames[] = {"scalar", "avx2", "avx512", "neon"};

template <class F>
inline void forEachSet(F body) {
  for (const char* name : kSetNames) {
    if (const KernelTable* table = kernelsNamed(name)) body(*table);
    else std::printf("%s: skipped, the CPU or the build lacks it\n", name);
  }
}

template <class T>
inline const char* typeName() { return sizeof(T) == 4 ? "float" : "double"; }

// The widest vector of any set, in elements: sweeps to three times this pass every set's vectors and tails.
template <class T>
constexpr int64_t kWidest = 64 / sizeof(T);

}  // namespace test
}  // namespace latent
