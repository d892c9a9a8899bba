#include "winograd.h"

#include <algorithm>
#include <limits>

#include "../caches.h"
#include "../threads.h"
#include "chains.h"
#include "per_channel.h"

namespace latent {
namespace {

constexpr int64_t kTasksPerThread = 4;
// Filters of one position are read once for so many tiles at least: from the last cache that takes no longer than their
// products.
constexpr int64_t kFewTiles = 24, kManyTiles = 96;
// Each task transforms what it reads, which costs little beside the products of so many blocks of filters.
constexpr int64_t kFewBlocks = 4;
// Products are summed in chains of about so many channels: with them F(2 × 2) is as exact as sums of taps.
constexpr int64_t kChannelsOfChain = 64;

struct Winograd {
  const int size;
  const Line &down, &across;
  const int64_t channels;
  const Blocked& x;
  const float* packed;
  const PerChannel& bias;
  const BlockedEpilogue& epilogue;
  const Blocked& y;

  const int64_t positions = int64_t(size + 2) * (size + 2);
  const int64_t tilesDown = ceilDiv(y.rows, size), tilesAcross = ceilDiv(y.columns, size);

  int64_t tiles() const { return y.images * tilesDown * tilesAcross; }
  int64_t groupOf() const { return kernels().blocked.filterBlocks; }
  // From a position of so many tiles of so many blocks to the next: one more pixel, so that positions don't share the
  // first cache's places.
  static int64_t distance(int64_t blocks, int64_t count) { return (blocks * count + 1) * kBlock; }

  // The tiles that are computed together: factors and sums of all positions stay in the second cache, or, where that is
  // for too few, those of one position.
  int64_t together() const {
    const int64_t l2 = caches().l2, element = sizeof(float);
    const int64_t all = l2 * 3 / 4 / (positions * (x.blocks + y.blocks) * kBlock * element);
    const int64_t one = l2 / 2 / (x.blocks * kBlock * element);
    const int64_t most = all >= kFewTiles ? all : (one < kFewTiles ? kFewTiles : std::min(one, kManyTiles));
    return ceilDiv(tiles(), ceilDiv(tiles(), most));
  }

  // Calls body(image, down, across, first, count) for the tiles [begin, end) that lie one after the other.
  template <class Body>
  void forRuns(int64_t begin, int64_t end, Body&& body) const {
    for (int64_t t = begin; t < end;) {
      const int64_t line = t / tilesAcross, at = t % tilesAcross, count = std::min(end - t, tilesAcross - at);
      body(line / tilesDown, line % tilesDown, at, t - begin, count);
      t += count;
    }
  }

  // The factors of the tiles [begin, end): [position][block][tile][kBlock].
  void transform(int64_t begin, int64_t end, float* to) const {
    const int64_t count = end - begin;
    forRuns(begin, end, [&](int64_t image, int64_t i, int64_t j, int64_t first, int64_t run) {
      const int64_t row = i * size + down.first, column = j * size + across.first;
      for (int64_t block = 0; block < x.blocks; ++block) {
        kernels().winograd.input({size, run, x.rows + x.halo - row, x.columns + x.halo - column,
                                  x.at(image, block, row, column), x.row(), to + (block * count + first) * kBlock,
                                  distance(x.blocks, count)});
      }
    });
  }

  // The sums of their products with the factors of the blocks [from, to) of filters.
  void multiply(int64_t count, int64_t from, int64_t to, const float* factors, float* sums) const {
    BlockedConv c{};
    c.rows = 1;
    c.columns = count;
    c.channels = channels;
    c.chain = Chains::within(channels, kChannelsOfChain).chain;
    c.taps = 1;
    c.together = kBlock;
    c.step = 1;
    c.xPlane = c.yPlane = count * kBlock;
    c.weightsBlock = channels * kBlock;
    c.low = -std::numeric_limits<float>::infinity();
    c.high = std::numeric_limits<float>::infinity();
    c.activation = Activation::kNone;
    for (int64_t p = 0; p < positions; ++p) {
      c.x = factors + p * distance(x.blocks, count);
      for (int64_t block = from; block < to; block += groupOf()) {
        c.blocks = std::min(groupOf(), to - block);
        c.weights = packed + (p * y.blocks + block) * c.weightsBlock;
        c.y = sums + p * distance(to - from, count) + (block - from) * c.yPlane;
        kernels().blocked.conv(c);
      }
    }
  }

  void finish(int64_t begin, int64_t end, int64_t from, int64_t to, const float* sums) const {
    const int64_t count = end - begin;
    const Blocked* const residual = epilogue.residual;
    forRuns(begin, end, [&](int64_t image, int64_t i, int64_t j, int64_t first, int64_t run) {
      const int64_t row = i * size, column = j * size, rows = std::min<int64_t>(size, y.rows - row);
      for (int64_t block = from; block < to; ++block) {
        kernels().winograd.output({size, run, rows, std::min(run * size, y.columns - column),
                                   sums + ((block - from) * count + first) * kBlock, distance(to - from, count),
                                   bias.of(block), residual == nullptr ? nullptr : residual->at(image, block, row, column),
                                   residual == nullptr ? 0 : residual->row(), y.at(image, block, row, column), y.row(),
                                   epilogue.low, epilogue.high, epilogue.activation});
        if (j == 0) y.frame(image, block, row, row + rows);
      }
    });
  }

  Status run() const {
    const double work = static_cast<double>(tiles() * positions) * static_cast<double>(channels * y.blocks * kBlock);
    const int threads = threads::forWork(work);
    const int64_t wanted = threads == 1 ? 1 : kTasksPerThread * threads, groups = ceilDiv(y.blocks, groupOf());
    int64_t count = together();
    if (ceilDiv(tiles(), count) < wanted && count > kFewTiles)
      count = ceilDiv(tiles(), std::min(wanted, ceilDiv(tiles(), kFewTiles)));
    const int64_t chunks = ceilDiv(tiles(), count);
    const int64_t shares =
        std::min(ceilDiv(wanted, chunks), ceilDiv(y.blocks, kFewBlocks > groupOf() ? kFewBlocks : groupOf()));
    const int64_t share = ceilDiv(groups, shares), parts = ceilDiv(groups, share), all = chunks * parts;
    const int64_t tasks = std::min(all, wanted), blocks = std::min(share * groupOf(), y.blocks);
    const int64_t factors = positions * distance(x.blocks, count), each = factors + positions * distance(blocks, count);
    const Scratch room(static_cast<size_t>(tasks * each) * sizeof(float));
    if (room.failed()) return Status::kOutOfMemory;
    parallelFor(tasks, [&](int64_t task) {
      float* const own = room.as<float>() + task * each;
      int64_t transformed = -1;
      for (int64_t i = all * task / tasks; i < all * (task + 1) / tasks; ++i) {
        const int64_t chunk = i / parts, begin = tiles() * chunk / chunks, end = tiles() * (chunk + 1) / chunks;
        const int64_t from = i % parts * share * groupOf(), to = std::min(from + share * groupOf(), y.blocks);
        if (chunk != transformed) transform(begin, end, own);
        transformed = chunk;
        multiply(end - begin, from, to, own, own + factors);
        finish(begin, end, from, to, own + factors);
      }
    });
    return Status::kOk;
  }
};

}  // namespace

Status winogradBlocked(int size, const Line& down, const Line& across, int64_t channels, const Blocked& x,
                       const float* packed, int64_t filters, const BlockedEpilogue& epilogue, const Blocked& y) {
  if (y.images * y.blocks * y.rows * y.columns == 0) return Status::kOk;
  const PerChannel bias(epilogue.bias, filters, y.blocks);
  if (bias.failed()) return Status::kOutOfMemory;
  return Winograd{size, down, across, channels, x, packed, bias, epilogue, y}.run();
}

}  // namespace latent
