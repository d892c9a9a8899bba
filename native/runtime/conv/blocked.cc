#include "blocked.h"

#include <algorithm>
#include <cstring>

#include "../caches.h"
#include "../threads.h"
#include "chains.h"
#include "per_channel.h"
#include "planes.h"

namespace latent {
namespace {

// Tasks for each thread, so that one that is held up leaves the others something to do.
constexpr int64_t kTasksPerThread = 4;
// Pixels of a long row are shared out in multiples of this many, whole tiles of every set.
constexpr int64_t kPixelsAtOnce = 84;

// How the outputs are cut: parts of the pixels by parts of the filters. A part of the pixels is some positions (rows, or pixels
// of the only row) of one image, or all of several images.
struct Cut {
  int64_t positions, images, groups;  // of a part
  int64_t positionParts, imageParts, groupParts;

  int64_t count() const { return positionParts * imageParts * groupParts; }
};

struct Convolution {
  const Line &down, &across;
  const int64_t channels, chain;
  const Blocked* x;
  const float* plain;
  const float* weights;
  const PerChannel& bias;
  const BlockedEpilogue& epilogue;
  const Blocked& y;
  const BlockedKernels& kernel;

  int64_t taps() const { return down.taps * across.taps; }
  int64_t groups() const { return ceilDiv(y.blocks, kernel.filterBlocks); }
  // Without rows and columns around them, pixels of one-tap filters are one long row.
  bool flat() const {
    const bool residual = epilogue.residual == nullptr || epilogue.residual->halo == 0;
    return x != nullptr && x->halo == 0 && y.halo == 0 && residual && down.plain() && across.plain() && taps() == 1;
  }
  int64_t positions() const { return flat() ? y.rows * y.columns : y.rows; }
  int64_t weightsOfBlock() const { return channels * taps() * kBlock; }

  // Rows of x that `rows` rows of outputs read.
  int64_t reach(int64_t rows) const { return (rows - 1) * down.step + (down.taps - 1) * down.gap + 1; }
  int64_t columnsOfCopy() const { return (across.out - 1) * across.step + (across.taps - 1) * across.gap + 1; }
  // Elements of x that so many positions read, as they lie.
  int64_t elementsOf(int64_t count) const {
    if (flat()) return count * x->blocks * kBlock;
    return x == nullptr ? channels * reach(count) * columnsOfCopy() : x->blocks * reach(count) * x->row();
  }

  Cut cutFor(int threads) const {
    const int64_t l2 = caches().l2, unit = flat() ? kPixelsAtOnce : 1;
    const int64_t all = ceilDiv(positions(), unit);
    Cut cut{positions(), 1, groups(), 1, 1, 1};
    if (weightsOfBlock() * y.blocks * 4 <= l2 / 2 || x == nullptr) {
      // The filters stay in the second cache while the pixels pass, a band of them at a time.
      const int64_t room = (taps() == 1 ? l2 / 8 : l2 / 4) / 4;
      int64_t units = all;
      while (units > 1 && elementsOf(units * unit) > room) units = ceilDiv(units, 2);
      cut.positions = ceilDiv(all, ceilDiv(all, units)) * unit;
    } else {
      // The pixels of as many images as fit stay there while the filters pass.
      cut.images = std::max<int64_t>(1, std::min(y.images, l2 / 2 / 4 / std::max<int64_t>(1, elementsOf(positions()))));
      cut.groups = 1;
    }
    const auto count = [&] {
      cut.positionParts = ceilDiv(positions(), cut.positions);
      cut.imageParts = ceilDiv(y.images, cut.images);
      cut.groupParts = ceilDiv(groups(), cut.groups);
    };
    count();
    // With too few parts for the threads, the filters of each are shared out.
    if (threads > 1 && cut.count() < kTasksPerThread * threads && cut.groups > 1) {
      const int64_t wanted = ceilDiv(kTasksPerThread * threads, cut.count());
      cut.groups = ceilDiv(groups(), std::min(groups(), wanted));
      count();
    }
    return cut;
  }

  // Copies the rows that a band of outputs reads of a plain image, with zeros around them.
  void copyRows(int64_t image, int64_t begin, int64_t end, float* out) const {
    const auto& k = floatKernels<float>(kernels());
    const int64_t columns = columnsOfCopy(), rows = reach(end - begin), top = begin * down.step + down.first;
    for (int64_t c = 0; c < channels; ++c) {
      const float* const channel = plain + (image * channels + c) * down.in * across.in;
      for (int64_t r = 0; r < rows; ++r, out += columns) {
        const int64_t i = top + r;
        if (i < 0 || i >= down.in) std::memset(out, 0, static_cast<size_t>(columns) * sizeof(float));
        else copyLines(k, 1, channel + i * across.in, 0, across.in, across.first, 1, columns, out);
      }
    }
  }

  // Where the taps of the channels of a block lie, or of all channels of copies for so many rows.
  void fillOffsets(int64_t rows, int32_t* out) const {
    const bool isPlain = x == nullptr;
    const int64_t row = isPlain ? columnsOfCopy() : x->row(), pixel = isPlain ? 1 : kBlock;
    const int64_t plane = isPlain ? columnsOfCopy() * reach(rows) : 1;
    for (int64_t c = 0; c < (isPlain ? channels : kBlock); ++c) {
      for (int64_t r = 0; r < down.taps; ++r) {
        for (int64_t s = 0; s < across.taps; ++s)
          *out++ = static_cast<int32_t>(c * plane + r * down.gap * row + s * across.gap * pixel);
      }
    }
  }

  // Some positions of an image, by some groups of filters; `room` holds what the band reads of a plain image.
  void run(int64_t image, int64_t begin, int64_t end, int64_t group, int64_t endGroup, const float* room,
           const int32_t* offsets) const {
    const bool isFlat = flat();
    BlockedConv c{};
    c.rows = isFlat ? 1 : end - begin;
    c.columns = isFlat ? end - begin : y.columns;
    c.channels = channels;
    c.chain = chain;
    c.taps = taps();
    c.offsets = offsets;
    c.together = x == nullptr ? channels : kBlock;
    c.plain = x == nullptr;
    c.step = static_cast<int>(across.step);
    if (x == nullptr) {
      c.x = room;
      c.xRow = columnsOfCopy() * down.step;
    } else {
      c.x = isFlat ? x->at(image, 0, 0, 0) + begin * kBlock : x->at(image, 0, begin * down.step + down.first, across.first);
      c.xRow = x->row() * down.step;
      c.xPlane = x->plane();
    }
    c.weightsBlock = weightsOfBlock();
    const auto at = [&](const Blocked& v, int64_t block) {
      return isFlat ? v.at(image, block, 0, 0) + begin * kBlock : v.at(image, block, begin, 0);
    };
    c.yRow = y.row();
    c.yPlane = y.plane();
    c.low = epilogue.low;
    c.high = epilogue.high;
    c.activation = epilogue.activation;
    for (int64_t g = group; g < endGroup; ++g) {
      const int64_t block = g * kernel.filterBlocks;
      c.blocks = std::min<int64_t>(kernel.filterBlocks, y.blocks - block);
      c.weights = weights + block * weightsOfBlock();
      c.bias = bias.of(block);
      c.y = at(y, block);
      if (epilogue.residual != nullptr) {
        c.residual = at(*epilogue.residual, block);
        c.residualRow = epilogue.residual->row();
        c.residualPlane = epilogue.residual->plane();
      }
      kernel.conv(c);
      if (y.halo == 0) continue;
      for (int64_t b = block; b < block + c.blocks; ++b) y.frame(image, b, begin, end);
    }
  }

  Status runAll() const {
    const double work =
        static_cast<double>(y.images * y.blocks * kBlock * y.rows * y.columns) * static_cast<double>(channels * taps());
    const int threads = threads::forWork(work);
    const Cut cut = cutFor(threads);
    const int64_t tasks = threads == 1 ? 1 : std::min(cut.count(), kTasksPerThread * threads);
    const int64_t each = x == nullptr ? channels * reach(std::min(cut.positions, y.rows)) * columnsOfCopy() : 0;
    const int64_t table = (x == nullptr ? channels : kBlock) * taps();
    const Scratch room(static_cast<size_t>(tasks * each) * sizeof(float)),
        places(static_cast<size_t>(tasks * table) * sizeof(int32_t));
    if (room.failed() || places.failed()) return Status::kOutOfMemory;
    parallelFor(tasks, [&](int64_t task) {
      float* const copy = room.as<float>() + task * each;
      int32_t* const offsets = places.as<int32_t>() + task * table;
      int64_t rows = -1;  // of the copies that the offsets are for
      for (int64_t i = cut.count() * task / tasks; i < cut.count() * (task + 1) / tasks; ++i) {
        const int64_t part = i / cut.groupParts, group = i % cut.groupParts * cut.groups;
        const int64_t begin = part % cut.positionParts * cut.positions, end = std::min(positions(), begin + cut.positions);
        const int64_t first = part / cut.positionParts * cut.images, last = std::min(y.images, first + cut.images);
        if (rows != end - begin && (x == nullptr || rows < 0)) {
          rows = end - begin;
          fillOffsets(rows, offsets);
        }
        for (int64_t image = first; image < last; ++image) {
          if (x == nullptr) copyRows(image, begin, end, copy);
          run(image, begin, end, group, std::min(groups(), group + cut.groups), copy, offsets);
        }
      }
    });
    return Status::kOk;
  }
};

}  // namespace

void Blocked::frame(int64_t image, int64_t block, int64_t begin, int64_t end) const {
  if (halo == 0) return;
  const auto clear = [](float* from, int64_t elements) {
    std::memset(from, 0, static_cast<size_t>(elements) * sizeof(float));
  };
  if (begin == 0) clear(at(image, block, -halo, -halo), halo * row());
  for (int64_t i = begin; i < end; ++i) {
    clear(at(image, block, i, -halo), halo * kBlock);
    clear(at(image, block, i, columns), halo * kBlock);
  }
  if (end == rows) clear(at(image, block, rows, -halo), halo * row());
}

bool cutsBetweenChannels(int64_t channels, int64_t taps) { return chainsOverChannels(channels, taps).chain % taps == 0; }

Status convBlocked(const Line& down, const Line& across, int64_t channels, const Blocked* x, const float* plain,
                   const float* weights, int64_t filters, const BlockedEpilogue& epilogue, const Blocked& y) {
  if (y.images * y.blocks * y.rows * y.columns == 0) return Status::kOk;
  const PerChannel bias(epilogue.bias, filters, y.blocks);
  if (bias.failed()) return Status::kOutOfMemory;
  const int64_t taps = down.taps * across.taps, chain = chainsOverChannels(channels, taps).chain / taps;
  return Convolution{down, across, channels, chain, x, plain, weights, bias, epilogue, y, kernels().blocked}.runAll();
}

Status depthwiseBlocked(const Line& down, const Line& across, const Blocked& x, const float* weights, int64_t channels,
                        const BlockedEpilogue& epilogue, const Blocked& y) {
  const PerChannel bias(epilogue.bias, channels, y.blocks);
  if (bias.failed()) return Status::kOutOfMemory;
  const double work =
      static_cast<double>(y.images * y.blocks * kBlock * y.rows * y.columns) * static_cast<double>(down.taps * across.taps);
  const int threads = threads::forWork(work);
  const int64_t planes = y.images * y.blocks, wanted = kTasksPerThread * threads;
  const int64_t parts = threads == 1 || planes >= wanted ? 1 : std::min(y.rows, ceilDiv(wanted, planes));
  const int64_t count = planes * parts, tasks = threads == 1 ? 1 : std::min(count, wanted);
  parallelFor(tasks, [&](int64_t task) {
    for (int64_t i = count * task / tasks; i < count * (task + 1) / tasks; ++i) {
      const int64_t image = i / parts / y.blocks, block = i / parts % y.blocks;
      const int64_t begin = y.rows * (i % parts) / parts, end = y.rows * (i % parts + 1) / parts;
      kernels().blocked.depthwise({end - begin, y.columns, static_cast<int>(down.taps), static_cast<int>(down.step),
                                   x.at(image, block, begin * down.step + down.first, across.first), x.row(),
                                   weights + block * down.taps * across.taps * kBlock, bias.of(block),
                                   y.at(image, block, begin, 0), y.row(), epilogue.low, epilogue.high,
                                   epilogue.activation});
      y.frame(image, block, begin, end);
    }
  });
  return Status::kOk;
}

}  // namespace latent
