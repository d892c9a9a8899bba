// Values whose channels lie in blocks: what brings them there and back, and what is computed on them. A value is
// [images, blocks, rows + 2·halo, columns + 2·halo, kBlock] with zeros around each plane.
#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "../conv/blocked.h"
#include "../gemm/gemm.h"
#include "../memory.h"
#include "../threads.h"
#include "../tensor/move.h"
#include "../tensor/strided.h"
#include "ops.h"

namespace latent {
namespace {

bool hasRank(const View& v, int rank) { return v.dtype == DType::kFloat32 && v.rank == rank; }
bool isFloat32(const View& v, int rank) { return hasRank(v, rank) && v.contiguous(); }

// A value with such a halo; false where the window is none.
bool blockedOf(const View& v, int64_t halo, Blocked& out) {
  if (!isFloat32(v, 5) || v.shape[4] != kBlock || halo < 0 || v.shape[2] < 2 * halo || v.shape[3] < 2 * halo) return false;
  out = {v.as<float>(), v.shape[0], v.shape[1], v.shape[2] - 2 * halo, v.shape[3] - 2 * halo, halo};
  return true;
}

bool holds(const Blocked& v, int64_t channels) { return channels > 0 && v.blocks == ceilDiv(channels, kBlock); }

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

// in: weights[filters, channels, height, width]. out: [blocks, channels·height·width, kBlock], zeros after the last filter.
Status runPackBlocked(Call& call) {
  const View &x = call.in[0], &out = call.out;
  const int64_t filters = x.shape[0], depth = x.size() / (filters == 0 ? 1 : filters);
  if (!hasRank(x, 4) || !isFloat32(out, 3) || out.shape[2] != kBlock || out.shape[1] != depth ||
      out.shape[0] != ceilDiv(filters, kBlock)) {
    return LATENT_BROKEN;
  }
  const Contiguous weights(x);
  if (weights.failed()) return Status::kOutOfMemory;
  const auto turn = floatKernels<float>(kernels()).turn;
  parallelRanges(out.shape[0], kElementGrain / (depth * kBlock + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kBlock, here = filters - first < kBlock ? filters - first : kBlock;
      float* const to = out.as<float>() + first * depth;
      if (here < kBlock) std::memset(to, 0, static_cast<size_t>(depth * kBlock) * sizeof(float));
      turn(here, depth, weights.as<float>() + first * depth, depth, to, kBlock);
    }
  });
  return Status::kOk;
}

// The ints of both convolutions: steps down and across, rows above and columns before the first element, the distances of
// taps, how many of them, channels of x, the halos of x, the result and the residual, the function's number among the unary
// operations or -1, and which operands follow the weights. Reals: the bounds.
struct Convolving {
  enum { kHasBias = 1, kHasResidual = 2 };

  Line down, across;
  int64_t channels;
  Blocked x, y, residual;
  BlockedEpilogue epilogue{};

  // Reads them; x is in blocks unless it `isPlain`. False where they mean nothing.
  bool read(Call& call, bool isPlain) {
    const int32_t* const p = call.ints;
    const View& in = call.in[0];
    const int flags = p[13], count = 2 + (flags & kHasBias ? 1 : 0) + (flags & kHasResidual ? 1 : 0);
    if (flags < 0 || flags > 3 || call.inputs != count) return false;
    for (const int i : {0, 1, 4, 5, 6, 7, 8}) {
      if (p[i] < 1 || p[i] > kMost) return false;
    }
    if (p[2] < 0 || p[3] < 0 || p[2] > kMost || p[3] > kMost || !blockedOf(call.out, p[10], y)) return false;
    channels = p[8];
    if (isPlain ? !hasRank(in, 4) || in.shape[1] != channels || in.shape[0] != y.images
                : !blockedOf(in, p[9], x) || !holds(x, channels) || x.images != y.images) {
      return false;
    }
    const auto line = [&](int d, int64_t size, int64_t out) {
      return Line{size, out, p[d], p[6 + d], -p[2 + d], p[4 + d]};
    };
    down = line(0, isPlain ? in.shape[2] : x.rows, y.rows);
    across = line(1, isPlain ? in.shape[3] : x.columns, y.columns);
    if (across.step > 2) return false;
    for (const Line& l : {down, across}) {
      const int64_t halo = isPlain ? kMost : x.halo;
      if (l.out > kMost || l.in > kMost || -l.first > halo ||
          (l.out > 0 && (l.out - 1) * l.step + l.first + (l.taps - 1) * l.gap >= l.in + halo)) {
        return false;
      }
    }
    // Places of taps are told in 32 bits: in x, or in a copy of the rows that a row of outputs reads.
    const int64_t row = isPlain ? (across.out - 1) * across.step + (across.taps - 1) * across.gap + 1 : x.row();
    const double reach = static_cast<double>((down.taps - 1) * down.gap + 1) * static_cast<double>(row);
    if (reach * (isPlain ? static_cast<double>(channels) : 1.0) > INT32_MAX) return false;
    const int32_t function = p[12];
    epilogue.activation = function < 0 ? Activation::kNone : activationOf(static_cast<Unary>(function));
    if (function < -1 || (function >= 0 && epilogue.activation == Activation::kNone)) return false;
    epilogue.low = static_cast<float>(call.reals[0]);
    epilogue.high = static_cast<float>(call.reals[1]);
    if (flags & kHasResidual) {
      if (!blockedOf(call.in[count - 1], p[11], residual) || residual.images != y.images || residual.blocks != y.blocks ||
          residual.rows != y.rows || residual.columns != y.columns) {
        return false;
      }
      epilogue.residual = &residual;
    }
    if (flags & kHasBias) {
      const View& bias = call.in[2];
      if (!hasRank(bias, 1) || !holds(y, bias.shape[0])) return false;
    }
    return true;
  }
  // Filters as packBlocked leaves them.
  bool fits(const View& weights, int64_t depth) const {
    return isFloat32(weights, 3) && weights.shape[0] == y.blocks && weights.shape[1] == depth && weights.shape[2] == kBlock;
  }
  // The bias, where there is one.
  static View biasOf(const Call& call) { return (call.ints[13] & kHasBias) != 0 ? call.in[2] : View{}; }
  int64_t taps() const { return down.taps * across.taps; }

 private:
  // Of any size, step or number of taps.
  static constexpr int64_t kMost = int64_t(1) << 24;
};

// in: x in blocks or [images, channels, rows, columns], the packed weights, and the bias and what is added to the sums where
// there are such. out: in blocks.
Status runConvBlocked(Call& call) {
  const bool isPlain = call.in[0].rank == 4;
  Convolving c;
  if (!c.read(call, isPlain) || !cutsBetweenChannels(c.channels, c.taps()) || !c.fits(call.in[1], c.channels * c.taps())) {
    return LATENT_BROKEN;
  }
  const View bias = Convolving::biasOf(call);
  const Contiguous pixels(isPlain ? call.in[0] : View{}), sums(bias);
  if (pixels.failed() || sums.failed()) return Status::kOutOfMemory;
  if (bias.rank == 1) c.epilogue.bias = sums.as<float>();
  return convBlocked(c.down, c.across, c.channels, isPlain ? nullptr : &c.x, isPlain ? pixels.as<float>() : nullptr,
                     call.in[1].as<float>(), bias.rank == 1 ? bias.shape[0] : 0, c.epilogue, c.y);
}

// The same of filters for one channel each.
Status runDepthwiseBlocked(Call& call) {
  Convolving c;
  if (!c.read(call, false) || c.epilogue.residual != nullptr || c.x.blocks != c.y.blocks || !c.fits(call.in[1], c.taps()) ||
      c.down.taps != c.across.taps || (c.down.taps != 3 && c.down.taps != 5) || c.down.step != c.across.step ||
      c.down.gap != 1 || c.across.gap != 1) {
    return LATENT_BROKEN;
  }
  const View bias = Convolving::biasOf(call);
  const Contiguous sums(bias);
  if (sums.failed()) return Status::kOutOfMemory;
  if (bias.rank == 1) c.epilogue.bias = sums.as<float>();
  return depthwiseBlocked(c.down, c.across, c.x, call.in[1].as<float>(), bias.rank == 1 ? bias.shape[0] : 0, c.epilogue,
                          c.y);
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
    {"packBlocked", OpKind::kFill, 1, 1, runPackBlocked},
    {"convBlocked", OpKind::kFill, 2, 4, runConvBlocked, 1, true},
    {"depthwiseBlocked", OpKind::kFill, 2, 3, runDepthwiseBlocked, 1, true},
    {"poolBlocked", OpKind::kFill, 1, 1, runPoolBlocked, 1, true},
    {"meanBlocked", OpKind::kFill, 1, 1, runMeanBlocked, 1, true},
    {"scaleBlocked", OpKind::kFill, 2, 2, runScaleBlocked, 1, true},
};

}  // namespace

const OpList kBlockedOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
