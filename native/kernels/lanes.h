// Folding the lanes of one vector into one value, as a tree whose shape depends on the width alone.
#pragma once

#include "vec.h"

LATENT_ISA_BEGIN

template <class V, class F>
inline typename V::Element foldLanes(V v, F f) {
  typename V::Element lanes[V::kLanes];
  v.store(lanes);
  for (int width = V::kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lanes[i] = f(lanes[i], lanes[i + width]);
  }
  return lanes[0];
}

LATENT_ISA_END
