// A tensor's dimensions sorted into those that a reduction keeps, which come first, and those that it reduces.
#pragma once

#include <initializer_list>

#include "../tensor/strided.h"

namespace latent {

// `in` with its kept dimensions first; the number of kept ones in `kept`. `axes` has a bit for each reduced one.
inline View permuteKeptFirst(const View& in, int32_t axes, int& kept) {
  View v = in;
  kept = 0;
  for (const bool reduced : {false, true}) {
    int at = kept;
    for (int d = 0; d < in.rank; ++d) {
      if ((axes >> d & 1) != static_cast<int32_t>(reduced)) continue;
      v.shape[at] = in.shape[d];
      v.stride[at++] = in.stride[d];
    }
    if (!reduced) kept = at;
  }
  return v;
}

inline Loop<1> loopOver(const View& v, int first, int last) {
  Loop<1> loop;
  for (int d = first; d < last; ++d) loop.push(v.shape[d], {v.stride[d]});
  return loop;
}

}  // namespace latent
