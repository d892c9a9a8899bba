// Convolutions of values whose channels lie in blocks, and how their filters are arranged.
#include <cstring>
#include <initializer_list>

#include "../conv/winograd.h"
#include "../gemm/gemm.h"
#include "../memory.h"
#include "../threads.h"
#include "../tensor/move.h"
#include "../tensor/strided.h"
#include "blocked.h"
#include "ops.h"

namespace latent {
namespace {

// Filters of `depth` weights as a block of them lies: [weight][kBlock], zeros after the last filter.
void putInBlock(const float* weights, int64_t filters, int64_t depth, int64_t block, float* to) {
  const int64_t first = block * kBlock, here = filters - first < kBlock ? filters - first : kBlock;
  if (here < kBlock) std::memset(to, 0, static_cast<size_t>(depth * kBlock) * sizeof(float));
  floatKernels<float>(kernels()).turn(here, depth, weights + first * depth, depth, to, kBlock);
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
  parallelRanges(out.shape[0], kElementGrain / (depth * kBlock + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block)
      putInBlock(weights.as<float>(), filters, depth, block, out.as<float>() + block * kBlock * depth);
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

// in: weights[filters, channels, 3, 3]. out: [(m + 2)²·blocks, channels, kBlock], the filters' factors of the products of a tile of
// m × m outputs, position by position. ints: m.
Status runPackWinograd(Call& call) {
  const View &x = call.in[0], &out = call.out;
  const int size = call.ints[0];
  if (!hasRank(x, 4) || x.shape[2] != 3 || x.shape[3] != 3 || (size != 2 && size != 4)) return LATENT_BROKEN;
  const int64_t filters = x.shape[0], channels = x.shape[1], blocks = ceilDiv(filters, kBlock);
  if (!isFloat32(out, 3) || out.shape[0] != (size + 2) * (size + 2) * blocks || out.shape[1] != channels ||
      out.shape[2] != kBlock) {
    return LATENT_BROKEN;
  }
  const Contiguous weights(x);
  // The taps of each block of filters: [block][channel][tap][kBlock].
  const int64_t depth = channels * 9;
  const Scratch room(static_cast<size_t>(blocks * depth * kBlock) * sizeof(float));
  if (weights.failed() || room.failed()) return Status::kOutOfMemory;
  parallelRanges(blocks, kElementGrain / (depth * kBlock + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      float* const taps = room.as<float>() + block * depth * kBlock;
      putInBlock(weights.as<float>(), filters, depth, block, taps);
      float* const to = out.as<float>() + block * channels * kBlock;
      for (int64_t c = 0; c < channels; ++c)
        kernels().winograd.filters(size, taps + c * 9 * kBlock, to + c * kBlock, blocks * channels * kBlock);
    }
  });
  return Status::kOk;
}

// A convolution of 3 × 3 taps and steps of 1, by filters that packWinograd left.
Status runWinogradBlocked(Call& call) {
  Convolving c;
  const View& weights = call.in[1];
  if (!c.read(call, false) || !isFloat32(weights, 3) || weights.shape[1] != c.channels || weights.shape[2] != kBlock) {
    return LATENT_BROKEN;
  }
  for (const Line& l : {c.down, c.across}) {
    if (l.taps != 3 || l.step != 1 || l.gap != 1) return LATENT_BROKEN;
  }
  const int size = weights.shape[0] == 16 * c.y.blocks ? 2 : 4;
  if (weights.shape[0] != (size + 2) * (size + 2) * c.y.blocks) return LATENT_BROKEN;
  const View bias = Convolving::biasOf(call);
  const Contiguous sums(bias);
  if (sums.failed()) return Status::kOutOfMemory;
  if (bias.rank == 1) c.epilogue.bias = sums.as<float>();
  return winogradBlocked(size, c.down, c.across, c.channels, c.x, weights.as<float>(), bias.rank == 1 ? bias.shape[0] : 0,
                         c.epilogue, c.y);
}

const OpEntry kEntries[] = {
    {"packBlocked", OpKind::kFill, 1, 1, runPackBlocked},
    {"convBlocked", OpKind::kFill, 2, 4, runConvBlocked, 1, true},
    {"depthwiseBlocked", OpKind::kFill, 2, 3, runDepthwiseBlocked, 1, true},
    {"packWinograd", OpKind::kFill, 1, 1, runPackWinograd},
    {"winogradBlocked", OpKind::kFill, 2, 4, runWinogradBlocked, 1, true},
};

}  // namespace

const OpList kBlockedConvOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
