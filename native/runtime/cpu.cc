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
#if defined(_M_X64) && !defined(__clang__)
#include <intrin.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

namespace latent {
namespace {

#if defined(__x86_64__) || defined(_M_X64)
struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

// All zero for a leaf that the CPU lacks.
Registers cpuid(unsigned leaf) {
  Registers r;
#if defined(_M_X64) && !defined(__clang__)
  int highest[4], values[4];
  __cpuid(highest, 0);
  if (static_cast<unsigned>(highest[0]) < leaf) return r;
  __cpuidex(values, static_cast<int>(leaf), 0);
  r.a = values[0], r.b = values[1], r.c = values[2], r.d = values[3];
#else
  __get_cpuid_count(leaf, 0, &r.a, &r.b, &r.c, &r.d);
#endif
  return r;
}

// XCR0: the registers that the system saves for a thread.
unsigned savedRegisters() {
#if defined(_M_X64) && !defined(__clang__)
  return static_cast<unsigned>(_xgetbv(0));
#else
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
#endif
}

struct Features {
  bool avx2 = false, avx512 = false;
};

// Asked of the CPU itself: __builtin_cpu_supports reads what the compiler's runtime library has found out, and that of zig
// finds nothing.
Features readFeatures() {
  constexpr unsigned kFma = 1u << 12, kOsxsave = 1u << 27;
  constexpr unsigned kAvx2 = 1u << 5, kAvx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
#if defined(__APPLE__)
  // macOS saves the registers of AVX-512 from their first use on, and only then says so.
  constexpr unsigned kYmm = 0x06, kZmm = kYmm;
#else
  constexpr unsigned kYmm = 0x06, kZmm = 0xe6;
#endif
  const Registers basic = cpuid(1), extended = cpuid(7);
  Features features;
  if ((basic.c & kFma) == 0 || (basic.c & kOsxsave) == 0) return features;
  const unsigned saved = savedRegisters();
  features.avx2 = (saved & kYmm) == kYmm && (extended.b & kAvx2) != 0;
  features.avx512 = features.avx2 && (saved & kZmm) == kZmm && (extended.b & kAvx512) == kAvx512;
  return features;
}
#endif

bool cpuHas(const char* name) {
#if defined(__x86_64__) || defined(_M_X64)
  static const Features features = readFeatures();
  if (std::strcmp(name, "avx2") == 0) return features.avx2;
  if (std::strcmp(name, "avx512") == 0) return features.avx512;
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
