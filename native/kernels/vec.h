// One vector type per instruction set, under one name: Vec<float> and Vec<double>.
//
// Every kernel source is compiled once per instruction set with LATENT_ISA set to `scalar`, `avx2`, `avx512` or `neon`,
// and its code lands in a namespace of that name. Nothing here may have external linkage or come from the standard
// library's templates: the linker would keep one copy of it for all sets, possibly the AVX-512 one.
#pragma once

#include <cstdint>

#if defined(LATENT_ISA_AVX512)
#define LATENT_ISA avx512
#elif defined(LATENT_ISA_AVX2)
#define LATENT_ISA avx2
#elif defined(LATENT_ISA_NEON)
#define LATENT_ISA neon
#else
#define LATENT_ISA scalar
#endif

// Inlined before accumulators are looked at: what is inlined later leaves them in memory.
#if defined(__GNUC__)
#define LATENT_INLINE __attribute__((always_inline))
#else
#define LATENT_INLINE
#endif

namespace latent::LATENT_ISA {
namespace {

// Below this n, x·2^n is zero for every |x| < 2^9.
template <class T>
constexpr T kVanishing = sizeof(T) == 4 ? T(-160) : T(-1085);

}  // namespace
}  // namespace latent::LATENT_ISA

#if defined(LATENT_ISA_AVX512)
#include "vec_avx512.h"
#elif defined(LATENT_ISA_AVX2)
#include "vec_avx2.h"
#elif defined(LATENT_ISA_NEON)
#include "vec_neon.h"
#else
#include "vec_scalar.h"
#endif

namespace latent::LATENT_ISA {
namespace {

// Calls step(i, n) for vectors of `Lanes` elements over [0, count); n < Lanes only in the last one.
template <class V, class Step>
inline void forEachVector(int64_t count, Step step) {
  int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) step(i, V::kLanes);
  if (i < count) step(i, static_cast<int>(count - i));
}

template <class V>
inline V loadUpTo(const typename V::Element* p, int n) {
  return n == V::kLanes ? V::load(p) : V::loadPart(p, n);
}

template <class V>
inline void storeUpTo(V v, typename V::Element* p, int n) {
  if (n == V::kLanes) v.store(p);
  else v.storePart(p, n);
}

}  // namespace
}  // namespace latent::LATENT_ISA
