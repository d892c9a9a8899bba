// Convolutions: the correlation that is their forward pass and the gradient of their data, and the gradient of their
// weights.
#pragma once

#include "../cpu.h"
#include "../status.h"
#include "../storage.h"
#include "line.h"

namespace latent {

// The geometry: `groups` independent correlations of `channels` inputs and `filters` outputs each.
struct Geometry {
  Line down, across;
  int64_t images, groups, channels, filters;

  int64_t taps() const { return down.taps * across.taps; }
  int64_t depth() const { return channels * taps(); }
  // Filters of one tap on a row: the outputs read the inputs as they are.
  bool plain() const { return down.plain() && across.plain() && down.out == 1; }
  // So, and no input is further from the first than a table's entries tell.
  bool reachable() const { return plain() && channels * across.in <= INT32_MAX; }
  // A channel has a filter of its own.
  bool single() const { return channels == 1 && filters == 1; }
  // Filters as large as the input, and one output of each: a product of images by filters.
  bool isProduct() const {
    const auto whole = [](const Line& l) {
      return l.out == 1 && l.first == 0 && l.in == l.taps && (l.taps == 1 || l.gap == 1);
    };
    return groups == 1 && whole(down) && whole(across);
  }
  double work() const {
    return static_cast<double>(images * groups * filters) * static_cast<double>(depth()) * static_cast<double>(down.out) *
           static_cast<double>(across.out);
  }
};

// Where the outputs go: element (image, filter, i, j) at the sum of its distances.
struct Grid {
  int64_t image, filter, row, column;
};

// [groups][filters][channels][down.taps][across.taps], with the distances between elements along each. Filters may come in
// phases[0] × phases[1] to a place, `phase` apart: those of the outputs of a transposed convolution that lie between two others.
template <class T>
struct Filters {
  const T* data;
  int64_t group, filter, channel, down, across;
  // The storage that keeps them packed, in which they begin `offset` elements on; null where none does.
  Storage* kept;
  int64_t offset;
  int64_t phases[2] = {1, 1};
  int64_t phase[2] = {0, 0};
  bool turned = false;  // channels and filters are in each other's places

  int64_t placeOf(int64_t k) const {
    if (phases[0] * phases[1] == 1) return k * filter;
    return k / (phases[0] * phases[1]) * filter + k / phases[1] % phases[0] * phase[0] + k % phases[1] * phase[1];
  }

  // As they come: elements one after another.
  static Filters whole(const Geometry& g, const T* data, Storage* kept = nullptr, int64_t offset = 0) {
    const int64_t taps = g.taps(), depth = g.depth();
    return {data, g.filters * depth, depth, taps, g.across.taps, 1, kept, offset};
  }
  bool isWhole(const Geometry& g) const {
    return phases[0] * phases[1] == 1 && filter == g.depth() && channel == g.taps() && down == g.across.taps && across == 1;
  }
};

// y = f(bias + Σ weights·x), x[images][groups·channels][down.in][across.in] contiguous; bias, one for each filter, may be
// null. An output's bits depend on neither threads nor the blocks that it is computed in. Without taps the function is left
// out.
template <class T>
Status correlate(const Geometry& g, const T* x, const Filters<T>& weights, const T* bias, Activation activation, T* y,
                 const Grid& grid);

// out[groups·filters][channels][down.taps][across.taps] = before + Σ over images and pixels of gradient·x, with
// gradient[images][groups·filters][down.out][across.out] contiguous; `before` may be null.
template <class T>
Status correlateSlopes(const Geometry& g, const T* x, const T* gradient, const T* before, T* out);

}  // namespace latent
