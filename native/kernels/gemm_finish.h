// Activations of finished elements of a product, where they lie in the first cache.
#pragma once

#include "kernels.h"
#include "math.h"

namespace latent::LATENT_ISA {
namespace {

template <class V, class F>
inline void forEachOf(int64_t rows, int64_t columns, typename V::Element* c, int64_t cRow, F f) {
  // Two rows at a time: one's chain of dependent steps runs in the gaps of the other's.
  int64_t i = 0;
  for (; i + 2 <= rows; i += 2) {
    typename V::Element *upper = c + i * cRow, *lower = upper + cRow;
    forEachVector<V>(columns, [&](int64_t j, int n) {
      const V a = f(loadUpTo<V>(upper + j, n)), b = f(loadUpTo<V>(lower + j, n));
      storeUpTo(a, upper + j, n);
      storeUpTo(b, lower + j, n);
    });
  }
  for (; i < rows; ++i) {
    forEachVector<V>(columns,
                     [&](int64_t j, int n) { storeUpTo(f(loadUpTo<V>(c + i * cRow + j, n)), c + i * cRow + j, n); });
  }
}

template <class V>
inline V reluOf(V x) {
  return max(V::zero(), x);
}

template <class V>
void finish(Activation activation, int64_t rows, int64_t columns, typename V::Element* c, int64_t cRow) {
  switch (activation) {
    case Activation::kNone: return;
    case Activation::kRelu: return forEachOf<V>(rows, columns, c, cRow, [](V x) { return reluOf(x); });
    case Activation::kTanh: return forEachOf<V>(rows, columns, c, cRow, [](V x) { return tanhOf(x); });
    case Activation::kSigmoid: return forEachOf<V>(rows, columns, c, cRow, [](V x) { return sigmoidOf(x); });
    case Activation::kGelu: return forEachOf<V>(rows, columns, c, cRow, [](V x) { return geluOf(x); });
    case Activation::kSilu: return forEachOf<V>(rows, columns, c, cRow, [](V x) { return siluOf(x); });
  }
}

}  // namespace
}  // namespace latent::LATENT_ISA
