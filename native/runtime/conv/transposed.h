// The gradient of a convolution's data, which is the transposed convolution.
#pragma once

#include "conv.h"

namespace latent {

// out[images][groups·channels][down.in][across.in] = bias + the gradient of the data of the convolution g, from
// gradient[images][groups·filters][down.out][across.out] and weights[groups·filters][channels][down.taps][across.taps], all
// contiguous; the bias, one for each channel, may be null. `kept` is the storage that keeps the weights packed, in which they
// begin `offset` elements on, or null.
template <class T>
Status transposed(const Geometry& g, const T* gradient, const T* weights, const T* bias, T* out, Storage* kept,
                  int64_t offset);

}  // namespace latent
