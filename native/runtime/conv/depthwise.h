// Convolutions in which each channel has a filter of its own, of the sizes that have kernels: in place, nothing copied.
#pragma once

#include "conv.h"

namespace latent {

// Filters of 3 × 3 or 5 × 5 taps side by side, in one order or the other, and steps of 1 or 2 that are the same down and
// across; of 7 × 7 with a step of 1 on sets with registers for them.
template <class T>
bool isDepthwise(const Geometry& g);
// So, for rows of outputs that are short enough for sums over them.
template <class T>
bool hasDepthwiseSlopes(const Geometry& g);

// As correlate, for outputs whose rows lie without gaps.
template <class T>
Status depthwise(const Geometry& g, const T* x, const Filters<T>& weights, const T* bias, Activation activation, T* y,
                 const Grid& grid);
// The gradient of the data of such a convolution of step 2, with a bias for each channel that may be null:
// out[images][channels][down.in][across.in] from gradient[images][channels][down.out][across.out].
template <class T>
Status depthwiseData(const Geometry& g, const T* gradient, const T* weights, const T* bias, T* out);
// As correlateSlopes.
template <class T>
Status depthwiseSlopes(const Geometry& g, const T* x, const T* gradient, const T* before, T* out);

}  // namespace latent
