#include "stream.h"

#include <cstring>

namespace latent_bench {
namespace {

typedef float Vector __attribute__((vector_size(STREAM_BYTES)));
constexpr int kLanes = sizeof(Vector) / sizeof(float);
constexpr int kChains = 8;  // independent sums: one alone would wait for its own additions
static_assert(kStreamGrain % (kLanes * kChains) == 0, "a grain is whole vectors");

inline const Vector* vectors(const float* p) { return reinterpret_cast<const Vector*>(p); }
inline Vector* vectors(float* p) { return reinterpret_cast<Vector*>(p); }

float read(int64_t count, const float* x) {
  Vector sums[kChains] = {};
  const Vector* p = vectors(x);
  for (int64_t i = 0; i < count; i += kLanes * kChains, p += kChains) {
#pragma GCC unroll 8
    for (int c = 0; c < kChains; ++c) sums[c] += p[c];
  }
#pragma GCC unroll 8
  for (int c = 1; c < kChains; ++c) sums[0] += sums[c];
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += sums[0][i];
  return total;
}

void copy(int64_t count, const float* x, float* y) {
  const Vector* from = vectors(x);
  Vector* to = vectors(y);
  for (int64_t i = 0; i < count; i += kLanes * kChains, from += kChains, to += kChains) {
    Vector held[kChains];
#pragma GCC unroll 8
    for (int c = 0; c < kChains; ++c) held[c] = from[c];
#pragma GCC unroll 8
    for (int c = 0; c < kChains; ++c) to[c] = held[c];
    // Without it the compiler makes one memcpy of the loop, whose own choices would then be measured.
    __asm__ volatile("" ::: "memory");
  }
}

void triad(int64_t count, const float* x, const float* y, float* z) {
  const Vector *left = vectors(x), *right = vectors(y);
  Vector* to = vectors(z);
  for (int64_t i = 0; i < count; i += kLanes * kChains, left += kChains, right += kChains, to += kChains) {
#pragma GCC unroll 8
    for (int c = 0; c < kChains; ++c) to[c] = left[c] + 3.0f * right[c];
  }
}

constexpr StreamTable kTable{read, copy, triad};

}  // namespace

#define STREAM_NAME_OF(set) set##Stream
#define STREAM_NAME(set) STREAM_NAME_OF(set)
const StreamTable* STREAM_NAME(STREAM_SET)() { return &kTable; }

}  // namespace latent_bench
