// Values whose channels lie in blocks: what brings them there and back, and what is computed on them but for convolutions.
#include <algorithm>
#include <cstring>

#include "../gemm/gemm.h"
#include "../memory.h"
#include "../threads.h"
#include "../tensor/move.h"
#include "../tensor/strided.h"
#include "blocked.h"
#include "ops.h"

namespace latent {
namespace {

// Calls body(image, block, begin, end) for rows of all planes.
template <class Body>
void overRows(const Blocked& v, Body&& body) {
  const int64_t rows = v.rows == 0 ? 0 : std::min(v.rows, kElementGrain / (v.columns * kBlock + 1) + 1);
  if (rows == 0) return;
  const int64_t parts = ceilDiv(v.rows, rows);
  parallelRanges(v.images * v.blocks * parts, 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      const int64_t plane = i / parts, begin = i % parts * rows, end = begin + rows < v.rows ? begin + rows : v.rows;
      body(plane / v.blocks, plane % v.blocks, begin, end);
    }
  });
}

// in: x[images, channels, rows, columns]. out: the same in blocks. ints: the halo.
Status runToBlocked(Call& call) {
  const View& x = call.in[0];
  Blocked y;
  if (!hasRank(x, 4) || !blockedOf(call.out, call.ints[0], y) || x.shape[0] != y.images || !holds(y, x.shape[1]) ||
      x.shape[2] != y.rows || x.shape[3] != y.columns) {
    return LATENT_BROKEN;
  }
  const Contiguous pixels(x);
  if (pixels.failed()) return Status::kOutOfMemory;
  const int64_t channels = x.shape[1], plane = y.rows * y.columns;
  const auto turn = floatKernels<float>(kernels()).turn;
  overRows(y, [&](int64_t image, int64_t block, int64_t begin, int64_t end) {
    const int64_t first = block * kBlock, here = channels - first < kBlock ? channels - first : kBlock;
    const float* const from = pixels.as<float>() + (image * channels + first) * plane;
    for (int64_t i = begin; i < end; ++i) {
      float* const to = y.at(image, block, i, 0);
      if (here < kBlock) std::memset(to, 0, static_cast<size_t>(y.columns * kBlock) * sizeof(float));
      turn(here, y.columns, from + i * y.columns, plane, to, kBlock);
    }
    y.frame(image, block, begin, end);
  });
  return Status::kOk;
}

// in: a value in blocks. out: [images, channels, rows, columns]. ints: the halo.
Status runFromBlocked(Call& call) {
  const View& y = call.out;
  Blocked x;
  if (!isFloat32(y, 4) || !blockedOf(call.in[0], call.ints[0], x) || y.shape[0] != x.images || !holds(x, y.shape[1]) ||
      y.shape[2] != x.rows || y.shape[3] != x.columns) {
    return LATENT_BROKEN;
  }
  const int64_t channels = y.shape[1], plane = x.rows * x.columns;
  const auto turn = floatKernels<float>(kernels()).turn;
  overRows(x, [&](int64_t image, int64_t block, int64_t begin, int64_t end) {
    const int64_t first = block * kBlock, here = channels - first < kBlock ? channels - first : kBlock;
    float* const to = y.as<float>() + (image * channels + first) * plane;
    for (int64_t i = begin; i < end; ++i)
      turn(x.columns, here, x.at(image, block, i, 0), kBlock, to + i * x.columns, plane);
  });
  return Status::kOk;
}

// in, out: in blocks. ints: whether it is a mean, the windows' height and width, the steps, rows above and columns before the
// first element, whether a mean counts what lies outside, and the halos.
Status runPoolBlocked(Call& call) {
  const int32_t* const p = call.ints;
  Blocked x, y;
  if (!blockedOf(call.in[0], p[8], x) || !blockedOf(call.out, p[9], y) || x.images != y.images || x.blocks != y.blocks) {
    return LATENT_BROKEN;
  }
  const bool isMean = p[0] != 0, countsOutside = p[7] != 0;
  for (int d = 0; d < 2; ++d) {
    const int64_t size = p[1 + d], step = p[3 + d], before = p[5 + d];
    const int64_t in = d == 0 ? x.rows : x.columns, out = d == 0 ? y.rows : y.columns;
    if (size < 1 || step < 1 || before < 0 || before >= size || in < 1 || out < 1 || (out - 1) * step - before >= in) {
      return LATENT_BROKEN;
    }
  }
  const Scratch counts(isMean ? static_cast<size_t>(y.rows + y.columns) * sizeof(float) : 0);
  if (counts.failed()) return Status::kOutOfMemory;
  float *rowCounts = nullptr, *columnCounts = nullptr;
  if (isMean) {
    rowCounts = counts.as<float>();
    columnCounts = rowCounts + y.rows;
    // Padding counts where that is asked for, and what a last window has beyond it doesn't.
    const auto count = [&](int64_t i, int64_t size, int64_t step, int64_t before, int64_t in) {
      const int64_t from = i * step - before, least = countsOutside ? from : (from < 0 ? 0 : from);
      const int64_t most = countsOutside ? in + before : in;
      return static_cast<float>((from + size < most ? from + size : most) - least);
    };
    for (int64_t i = 0; i < y.rows; ++i) rowCounts[i] = count(i, p[1], p[3], p[5], x.rows);
    for (int64_t j = 0; j < y.columns; ++j) columnCounts[j] = count(j, p[2], p[4], p[6], x.columns);
  }
  overRows(y, [&](int64_t image, int64_t block, int64_t begin, int64_t end) {
    kernels().blocked.pool({begin, end, y.columns, p[1], p[2], p[3], p[4], p[5], p[6], x.at(image, block, 0, 0), x.rows,
                            x.columns, x.row(), rowCounts, columnCounts, y.at(image, block, 0, 0), y.row()});
    y.frame(image, block, begin, end);
  });
  return Status::kOk;
}

// in: in blocks. out: [images, channels, 1, 1], the mean of each channel. ints: the halo.
Status runMeanBlocked(Call& call) {
  const View& y = call.out;
  Blocked x;
  if (!blockedOf(call.in[0], call.ints[0], x) || !isFloat32(y, 4) || y.shape[0] != x.images || !holds(x, y.shape[1]) ||
      y.shape[2] != 1 || y.shape[3] != 1 || x.rows * x.columns < 1) {
    return LATENT_BROKEN;
  }
  const int64_t channels = y.shape[1];
  parallelRanges(x.images * x.blocks, kElementGrain / (x.rows * x.columns * kBlock) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / x.blocks, block = i % x.blocks, first = block * kBlock;
      float means[kBlock];
      kernels().blocked.mean(x.rows, x.columns, x.at(image, block, 0, 0), x.row(), means);
      const int64_t here = channels - first < kBlock ? channels - first : kBlock;
      std::memcpy(y.as<float>() + image * channels + first, means, static_cast<size_t>(here) * sizeof(float));
    }
  });
  return Status::kOk;
}

// in: x in blocks, factors[images, channels, 1, 1]. out: x times its channels' factors, with x's halo. ints: the halo.
Status runScaleBlocked(Call& call) {
  const View& factors = call.in[1];
  Blocked x, y;
  if (!blockedOf(call.in[0], call.ints[0], x) || !blockedOf(call.out, call.ints[0], y) || !call.in[0].sameShape(call.out) ||
      !hasRank(factors, 4) || factors.shape[0] != x.images || !holds(x, factors.shape[1]) || factors.shape[2] != 1 ||
      factors.shape[3] != 1) {
    return LATENT_BROKEN;
  }
  const Contiguous each(factors);
  if (each.failed()) return Status::kOutOfMemory;
  const int64_t channels = factors.shape[1];
  overRows(x, [&](int64_t image, int64_t block, int64_t begin, int64_t end) {
    const int64_t first = block * kBlock, here = channels - first < kBlock ? channels - first : kBlock;
    float own[kBlock] = {};
    std::memcpy(own, each.as<float>() + image * channels + first, static_cast<size_t>(here) * sizeof(float));
    for (int64_t i = begin; i < end; ++i) {
      kernels().blocked.scale(x.columns, x.at(image, block, i, 0), own, y.at(image, block, i, 0));
    }
    y.frame(image, block, begin, end);
  });
  return Status::kOk;
}

const OpEntry kEntries[] = {
    {"toBlocked", OpKind::kFill, 1, 1, runToBlocked, 1, true},
    {"fromBlocked", OpKind::kFill, 1, 1, runFromBlocked, 1, true},
    {"poolBlocked", OpKind::kFill, 1, 1, runPoolBlocked, 1, true},
    {"meanBlocked", OpKind::kFill, 1, 1, runMeanBlocked, 1, true},
    {"scaleBlocked", OpKind::kFill, 2, 2, runScaleBlocked, 1, true},
};

}  // namespace

const OpList kBlockedOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
