// Loops that do nothing but move data, compiled once per instruction set. `count` is in floats, a multiple of
// kStreamGrain.
#pragma once

#include <cstdint>

namespace latent_bench {

constexpr int64_t kStreamGrain = 256;

struct StreamTable {
  // A sum over x, so that every element is read.
  float (*read)(int64_t count, const float* x);
  // y = x
  void (*copy)(int64_t count, const float* x, float* y);
  // z = x + 3·y
  void (*triad)(int64_t count, const float* x, const float* y, float* z);
};

const StreamTable* scalarStream();
const StreamTable* avx2Stream();
const StreamTable* avx512Stream();

}  // namespace latent_bench
