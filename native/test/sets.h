// Every instruction set that this CPU has, for programs that test the kernels of each.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "check.h"
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

// For a program that tests one set, named by its only argument: has the runtime choose that set. The exit status, where it
// must end at once: ctest counts kSkipped as skipped.
inline int chooseSet(int argc, char** argv) {
  constexpr int kSkipped = 77;
  if (argc != 2) {
    std::printf("give one set's name\n");
    return 1;
  }
  if (kernelsNamed(argv[1]) == nullptr) {
    std::printf("skipped: the CPU or the build lacks the set\n");
    return kSkipped;
  }
  setVariable("LATENT_ISA", argv[1]);
  LATENT_CHECK(std::strcmp(kernels().name, argv[1]) == 0, "LATENT_ISA=%s chose %s", argv[1], kernels().name);
  return 0;
}

template <class T>
inline const char* typeName() {
  return sizeof(T) == 4 ? "float" : "double";
}

// The widest vector of any set, in elements: sweeps to three times this pass every set's vectors and tails.
template <class T>
constexpr int64_t kWidest = 64 / sizeof(T);

}  // namespace test
}  // namespace latent
