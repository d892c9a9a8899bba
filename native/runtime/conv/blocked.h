// Convolutions and pools of float32 values whose channels lie in blocks of kBlock, with rows and columns of zeros around each
// plane, so that what a filter reads outside is there.
#pragma once

#include "../cpu.h"
#include "../status.h"
#include "line.h"

namespace latent {

// [images][blocks][rows + 2·halo][columns + 2·halo][kBlock]
struct Blocked {
  float* data;
  int64_t images, blocks, rows, columns, halo;

  int64_t row() const { return (columns + 2 * halo) * kBlock; }
  int64_t plane() const { return (rows + 2 * halo) * row(); }
  float* at(int64_t image, int64_t block, int64_t i, int64_t j) const {
    return data + (image * blocks + block) * plane() + (i + halo) * row() + (j + halo) * kBlock;
  }
  // Writes the zeros around the rows [begin, end) of a plane, and above the first and below the last.
  void frame(int64_t image, int64_t block, int64_t begin, int64_t end) const;
};

// How sums are finished before they are stored: f(min(max(sum + residual, low), high)).
struct BlockedEpilogue {
  const float* bias;        // one for each filter, or null
  const Blocked* residual;  // of y's blocks and sizes, or null
  float low, high;
  Activation activation;
};

// y = f(bias + Σ weights·x + residual) over the lines' taps. x lies in blocks or, as `plain`, in planes of the lines' sizes.
// weights[block][channel][tap][kBlock]. The sums are cut as those of `correlate`.
Status convBlocked(const Line& down, const Line& across, int64_t channels, const Blocked* x, const float* plain,
                   const float* weights, int64_t filters, const BlockedEpilogue& epilogue, const Blocked& y);

// A filter for each channel: weights[block][tap][kBlock].
Status depthwiseBlocked(const Line& down, const Line& across, const Blocked& x, const float* weights, int64_t channels,
                        const BlockedEpilogue& epilogue, const Blocked& y);

// Whether the sums over so many taps are cut between channels.
bool cutsBetweenChannels(int64_t channels, int64_t taps);

}  // namespace latent
