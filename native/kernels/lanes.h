// Folding the lanes of one vector into one value, as a tree whose shape depends on the width alone; and parts of a vector.
#pragma once

#include "vec.h"

namespace latent::LATENT_ISA {
namespace {

template <int kWidth, class V, class F>
inline V foldedInto(V v, F f) {
  if constexpr (kWidth == 0) return v;
  else return foldedInto<kWidth / 2>(f(v, v.template from<kWidth>()), f);
}

// Folds lane i with lane i + kLanes/2, and so on: f takes two vectors.
template <class V, class F>
inline typename V::Element foldLanes(V v, F f) {
  return foldedInto<V::kLanes / 2>(v, f).lane0();
}

template <class V>
inline typename V::Element sumOfLanes(V v) {
  return foldLanes(v, [](V p, V q) { return p + q; });
}

template <class V>
inline typename V::Element maximumOfLanes(V v) {
  return foldLanes(v, [](V p, V q) { return max(p, q); });
}

template <class T>
alignas(64) constexpr T kPlaces[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// The first n lanes of v, and `rest` in the others.
template <class V>
inline V firstLanes(V v, int n, V rest) {
  return select(V::load(kPlaces<typename V::Element>) < V::set(static_cast<typename V::Element>(n)), v, rest);
}

}  // namespace
}  // namespace latent::LATENT_ISA
