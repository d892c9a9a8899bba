// Rows of a strided window as kernels read them.
#pragma once

#include <cstdint>

namespace latent {

// The elements that a kernel is given at once where they must be gathered before.
constexpr int64_t kRowBuffer = 1024;

// The row [p, p + n·step) as contiguous elements, in place or gathered.
template <class T>
const T* gathered(const T* p, int64_t step, int64_t n, T* buffer) {
  if (step == 1) return p;
  for (int64_t i = 0; i < n; ++i) buffer[i] = p[i * step];
  return buffer;
}

}  // namespace latent
