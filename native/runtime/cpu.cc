#include "cpu.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <thread>

#include "quota.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace latent {
namespace {

bool cpuHas(const char* name) {
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_cpu_init();
  if (std::strcmp(name, "avx2") == 0) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (std::strcmp(name, "avx512") == 0) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
  }
#elif defined(__aarch64__) || defined(_M_ARM64)
  // Advanced SIMD belongs to the base of the architecture.
  if (std::strcmp(name, "neon") == 0) return true;
#endif
  return std::strcmp(name, "scalar") == 0;
}

const KernelTable& choose() {
  if (const char* forced = std::getenv("LATENT_ISA")) {
    if (const KernelTable* table = kernelsNamed(forced)) return *table;
  }
  for (const char* name : {"avx512", "avx2", "neon"}) {
    if (const KernelTable* table = kernelsNamed(name)) return *table;
  }
  return *scalarKernels();
}

}  // namespace

const KernelTable* kernelsNamed(const char* name) {
  if (!cpuHas(name)) return nullptr;
#if defined(LATENT_HAS_AVX512)
  if (std::strcmp(name, "avx512") == 0) return avx512Kernels();
#endif
#if defined(LATENT_HAS_AVX2)
  if (std::strcmp(name, "avx2") == 0) return avx2Kernels();
#endif
#if defined(LATENT_HAS_NEON)
  if (std::strcmp(name, "neon") == 0) return neonKernels();
#endif
  return std::strcmp(name, "scalar") == 0 ? scalarKernels() : nullptr;
}

const KernelTable& kernels() {
  static const KernelTable& table = choose();
  return table;
}

int defaultThreads() {
  if (const char* text = std::getenv("LATENT_NUM_THREADS")) {
    char* end = nullptr;
    const long n = std::strtol(text, &end, 10);
    if (*end == '\0' && n >= 1 && n <= 1024) return static_cast<int>(n);
  }
  int count = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
#endif
  const double quota = quotaCpus();
  if (quota > 0 && quota < count) count = static_cast<int>(std::ceil(quota));
  return count < 1 ? 1 : count;
}

}  // namespace latent
