// Convolutions: the correlation that is their forward pass and the gradient of their data, and the gradient of their
// weights.
#pragma once

#include "../status.h"
#include "../cpu.h"
#include "line.h"

namespace latent {

// What lies where: `groups` independent correlations of `channels` inputs and `filters` outputs each.
struct Geometry {
  Line down, across;
  int64_t images, groups, channels, filters;

  int64_t taps() const { return down.taps * across.taps; }
  int64_t depth() const { return channels * taps(); }
  // A channel has a filter of its own.
  bool single() const { return channels == 1 && filters == 1; }
  double work() const {
    return static_cast<double>(images * groups * filters) * static_cast<double>(depth()) *
           static_cast<double>(down.out) * static_cast<double>(across.out);
  }
};

// Where the outputs go: element (image, filter, i, j) at the sum of its distances.
struct Grid {
  int64_t image, filter, row, column;
};

// y = f(bias + Σ weights·x), x[images][groups·channels][down.in][across.in] contiguous and weights
// [groups·filters][channels][down.taps][across.taps]; bias, one for each filter, may be null. An output's bits depend on
// neither threads nor the blocks that it is computed in. Without taps the function is left out.
template <class T>
Status correlate(const Geometry& g, const T* x, const T* weights, const T* bias, Activation activation, T* y,
                 const Grid& grid);

// out[groups·filters][channels][down.taps][across.taps] = before + Σ over images and pixels of gradient·x, with
// gradient[images][groups·filters][down.out][across.out] contiguous; `before` may be null.
template <class T>
Status correlateSlopes(const Geometry& g, const T* x, const T* gradient, const T* before, T* out);

}  // namespace latent
