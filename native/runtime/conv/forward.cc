#include <algorithm>

#include "../caches.h"
#include "../memory.h"
#include "../threads.h"
#include "chains.h"
#include "conv.h"
#include "depthwise.h"
#include "planes.h"

namespace latent {
namespace {

// Tasks for each thread, so that one that is held up leaves the others something to do.
constexpr int64_t kTasksPerThread = 2;

template <class T>
struct Correlation {
  const Geometry& g;
  const T* x;
  const T* weights;  // packed, group by group
  const T* bias;
  Activation activation;
  T* y;
  const Grid& grid;
  const FloatKernels<T>& kernel;
  int64_t groupWeights;
  const int32_t* places;  // where the channels of one-tap filters lie, if they are read there; else null

  Chains chains() const { return chainsOverChannels(g.channels, g.taps()); }
  // How packA cuts the filters into tiles: all of nearly the same size.
  int64_t tiles() const { return ceilDiv(g.filters, kernel.gemmShape.mr); }
  int64_t tileStart(int64_t tile) const {
    const int64_t least = g.filters / tiles(), larger = g.filters - least * tiles();
    return tile * least + std::min(tile, larger);
  }
  const T* channelsOf(int64_t image, int64_t group) const {
    return x + (image * g.groups + group) * g.channels * g.down.in * g.across.in;
  }
  T* outputsOf(int64_t image, int64_t group) const { return y + image * grid.image + group * g.filters * grid.filter; }
  const T* biasOf(int64_t group) const { return bias == nullptr ? nullptr : bias + group * g.filters; }

  // Whether a block's outputs lie one after another.
  bool isRun(int64_t rows, int64_t columns) const { return grid.column == 1 && (rows == 1 || grid.row == columns); }
  void spread(const T* from, int64_t filters, int64_t rows, int64_t columns, T* to) const {
    for (int64_t k = 0; k < filters; ++k) {
      for (int64_t i = 0; i < rows; ++i, from += columns) {
        T* row = to + k * grid.filter + i * grid.row;
        for (int64_t j = 0; j < columns; ++j) row[j * grid.column] = from[j];
      }
    }
  }
};

// Channels whose pixels are copied and multiplied in one go, whole chains of them: all, or where that leaves fewer vectors with
// less than their number of pixels, so few that a block has more rows.
int64_t channelsAtOnce(const Geometry& g, const Chains& chains, int64_t lanes, size_t elementBytes, int64_t wanted) {
  const auto vectors = [&](int64_t channels) {
    const Blocks blocks(g.down, g.across, Blocks::cutOf(g.down), channels, elementBytes, 1, wanted);
    return blocks.count() * ceilDiv(blocks.rows * blocks.columns, lanes);
  };
  const int64_t together = chains.period / g.taps();
  int64_t best = g.channels;
  for (int64_t periods = ceilDiv(g.channels, together); periods > 1;) {
    periods = ceilDiv(periods, 2);
    if (vectors(periods * together) < vectors(best)) best = periods * together;
  }
  return best;
}

// Filters over many channels: the pixels that each tap reads are copied into planes, then multiplied; those of filters of one
// tap are multiplied where they are.
template <class T>
class Blockwise {
 public:
  // For so many threads, `wanted` blocks of each image and group.
  Blockwise(const Correlation<T>& c, int threads, int64_t wanted)
      : c_(c), threads_(threads), chains_(c.chains()),
        channels_(channelsAtOnce(c.g, chains_, c.kernel.gemmShape.lanes, sizeof(T), wanted)),
        blocks_(c.g.down, c.g.across, Blocks::cutOf(c.g.down), channels_, sizeof(T), 1, wanted),
        planes_(c.g.down, c.g.across, channels_, blocks_.rows, blocks_.columns) {}

  Status run() const {
    if (planes_.failed()) return Status::kOutOfMemory;
    const Geometry& g = c_.g;
    const int64_t blocks = g.images * g.groups * blocks_.count();
    // Where there are fewer blocks than threads the filters of each are shared out as well. Each copies its pixels itself: what
    // another core has copied is further away than what it was copied from.
    const int64_t parts = blocks >= threads_ ? 1 : std::min(c_.tiles(), ceilDiv(threads_, blocks));
    const int64_t count = blocks * parts, tasks = threads_ == 1 ? 1 : std::min(count, kTasksPerThread * threads_);
    const int64_t room = wholeLines(planes_.elements() + kBeyond), result = wholeLines(resultElements());
    const int64_t panels = hasPanels() ? panelElements() : 0;
    const Scratch scratch(static_cast<size_t>(tasks * (room + result + panels)) * sizeof(T));
    if (scratch.failed()) return Status::kOutOfMemory;
    const auto one = [&](int64_t task) {
      T* pixels = scratch.as<T>() + task * (room + result + panels);
      for (int64_t i = count * task / tasks; i < count * (task + 1) / tasks; ++i) {
        runBlock(i / parts, i % parts, parts, pixels, pixels + room, pixels + room + result);
      }
    };
    if (tasks == 1) one(0);
    else parallelFor(tasks, one);
    return Status::kOk;
  }

 private:
  struct Block {
    int64_t image, group, i0, j0, rows, columns;
  };

  Block blockOf(int64_t index) const {
    const Geometry& g = c_.g;
    const int64_t within = index % blocks_.count(), rest = index / blocks_.count();
    const int64_t i0 = within / blocks_.across * blocks_.rows, j0 = within % blocks_.across * blocks_.columns;
    return {rest / g.groups,
            rest % g.groups,
            i0,
            j0,
            std::min(blocks_.rows, g.down.out - i0),
            std::min(blocks_.columns, g.across.out - j0)};
  }

  int64_t resultElements() const {
    return c_.isRun(blocks_.rows, blocks_.columns) ? 0 : c_.g.filters * blocks_.rows * blocks_.columns;
  }

  static int64_t wholeLines(int64_t elements) { return (elements + 63) / 64 * 64; }
  int64_t panelElements() const { return convPanel(c_.kernel.gemmShape, chains_.chain); }
  // Planes in the first cache are as near as panels would be.
  bool hasPanels() const {
    return c_.places != nullptr || planes_.elements() * static_cast<int64_t>(sizeof(T)) > caches().l1 / 2;
  }

  // Where the pixels of a block of one-tap filters lie, if whole vectors of them can be read there.
  const T* inPlace(const Block& b) const {
    const Geometry& g = c_.g;
    if (c_.places == nullptr) return nullptr;
    const int64_t lanes = c_.kernel.gemmShape.lanes, beyond = ceilDiv(b.columns, lanes) * lanes - b.columns;
    const T* from = c_.channelsOf(b.image, b.group) + b.j0;
    const T* last = from + (g.channels - 1) * g.across.in + b.columns;
    return last + beyond <= c_.channelsOf(g.images, 0) ? from : nullptr;
  }

  void runBlock(int64_t index, int64_t part, int64_t parts, T* pixels, T* room, T* panel) const {
    const Geometry& g = c_.g;
    const Block b = blockOf(index);
    // A share of the filters is whole tiles.
    const int64_t tile = c_.tiles() * part / parts, end = c_.tiles() * (part + 1) / parts;
    if (const T* from = inPlace(b)) {
      multiply(b, tile, end, 0, g.channels, from, c_.places, room, panel);
      return;
    }
    for (int64_t channel = 0; channel < g.channels; channel += channels_) {
      const int64_t channels = std::min(channels_, g.channels - channel);
      planes_.fill(c_.channelsOf(b.image, b.group) + channel * g.down.in * g.across.in, channels, b.i0, b.rows, b.j0,
                   b.columns, pixels);
      multiply(b, tile, end, channel, channel + channels, pixels, planes_.offsets(), room, panel);
    }
  }

  // Adds what some channels give to the filters of some tiles.
  void multiply(const Block& b, int64_t tile, int64_t endTile, int64_t from, int64_t to, const T* pixels,
                const int32_t* offsets, T* room, T* panel) const {
    const Geometry& g = c_.g;
    const int64_t first = c_.tileStart(tile);
    T* target = c_.outputsOf(b.image, b.group) + b.i0 * c_.grid.row + b.j0 * c_.grid.column + first * c_.grid.filter;
    const bool run = c_.isRun(b.rows, b.columns);
    ConvBlock<T> c{};
    c.rows = c_.tileStart(endTile) - first;
    c.columns = b.rows * b.columns;
    c.depth = g.depth();
    c.begin = from * g.taps();
    c.end = to * g.taps();
    c.period = chains_.period;
    c.chain = chains_.chain;
    c.weights = c_.weights + b.group * c_.groupWeights + tile * c_.kernel.gemmShape.mr * c.depth;
    c.x = pixels;
    c.offsets = offsets;
    c.y = run ? target : room;
    c.yRow = run ? c_.grid.filter : c.columns;
    c.bias = c_.bias == nullptr ? nullptr : c_.biasOf(b.group) + first;
    c.activation = c_.activation;
    c.panel = hasPanels() ? panel : nullptr;
    c_.kernel.convBlock(c);
    if (!run && to == g.channels) c_.spread(room, c.rows, b.rows, b.columns, target);
  }

  const Correlation<T>& c_;
  const int threads_;
  const Chains chains_;
  const int64_t channels_;
  const Blocks blocks_;
  const Planes planes_;
};

// Elements that are packed by one thread.
constexpr int64_t kPackGrain = 1 << 15;
// At least the rows of any set's tiles.
constexpr int64_t kMostRows = 16;

// A group's filters as packA leaves them.
template <class T>
void packFilters(const Correlation<T>& c, const Filters<T>& filters, int64_t group, T* out) {
  const Geometry& g = c.g;
  const T* data = filters.data + group * filters.group;
  const int64_t mr = c.kernel.gemmShape.mr, depth = g.depth();
  const auto heightOf = [&](int64_t tile) { return c.tileStart(tile + 1) - c.tileStart(tile); };
  if (filters.isWhole(g)) {
    parallelRanges(c.tiles(), ceilDiv(kPackGrain, mr * depth), [&](int64_t begin, int64_t end) {
      for (int64_t tile = begin; tile < end; ++tile) {
        c.kernel.packA(heightOf(tile), depth, data + c.tileStart(tile) * depth, depth, 1, out + tile * depth * mr);
      }
    });
    return;
  }
  // Channels outermost: where filters and channels are in each other's places, that goes through them as they lie.
  parallelRanges(g.channels, ceilDiv(kPackGrain, g.filters * g.taps()), [&](int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; ++channel) {
      for (int64_t tile = 0; tile < c.tiles(); ++tile) {
        const int64_t first = c.tileStart(tile), height = heightOf(tile);
        int64_t places[kMostRows];
        for (int64_t i = 0; i < height; ++i) places[i] = filters.placeOf(first + i);
        T* to = out + (tile * depth + channel * g.taps()) * mr;
        for (int64_t r = 0; r < g.down.taps; ++r) {
          const T* from = data + channel * filters.channel + r * filters.down;
          for (int64_t s = 0; s < g.across.taps; ++s, to += mr, from += filters.across) {
            for (int64_t i = 0; i < height; ++i) to[i] = from[places[i]];
          }
        }
      }
    }
  });
}

template <class T>
Status correlateMany(Correlation<T>& c, const Filters<T>& filters) {
  const Geometry& g = c.g;
  c.groupWeights = packedRows(g.filters, c.kernel.gemmShape.mr) * g.depth();
  const size_t bytes = static_cast<size_t>(g.groups * c.groupWeights) * sizeof(T);
  const auto pack = [&](void* room) {
    for (int64_t i = 0; i < g.groups; ++i) {
      packFilters(c, filters, i, static_cast<T*>(room) + i * c.groupWeights);
    }
  };
  // The groups and the phases stand where a product has strides.
  const PackedForm form{filters.turned ? PackedForm::Use::kTurnedFilters : PackedForm::Use::kFilters,
                        g.depth(),
                        g.filters,
                        g.groups,
                        filters.phases[0] << 32 | filters.phases[1],
                        filters.offset};
  const Packed held = filters.kept == nullptr ? Packed() : filters.kept->packedFor(form, bytes, false, pack);
  const void* const kept = held.data();
  const Scratch packed(kept == nullptr ? bytes : 0);
  const Scratch places(static_cast<size_t>(g.reachable() ? g.channels : 0) * sizeof(int32_t));
  if (packed.failed() || places.failed()) return Status::kOutOfMemory;
  if (kept == nullptr) pack(packed.as<T>());
  c.weights = kept == nullptr ? packed.as<T>() : static_cast<const T*>(kept);
  if (g.reachable()) {
    for (int64_t i = 0; i < g.channels; ++i) places.as<int32_t>()[i] = static_cast<int32_t>(i * g.across.in);
    c.places = places.as<int32_t>();
  }
  const int threads = threads::forWork(g.work());
  return Blockwise<T>(c, threads, ceilDiv(threads, g.images * g.groups)).run();
}

// A filter for each channel: a padded copy of the channel, read in place by every tap.
template <class T>
Status correlateSingles(const Correlation<T>& c, const Filters<T>& filters) {
  const Geometry& g = c.g;
  const int64_t room = static_cast<int64_t>(caches().l2 / 2 / sizeof(T));
  const Stack across(g.across, g.across.out);
  if (across.failed()) return Status::kOutOfMemory;
  int64_t height = g.down.out;
  while (height > 1 && (height + g.down.taps) * across.size() > room) height = (height + 1) / 2;
  const Stack down(g.down, height);
  const Scratch table(static_cast<size_t>(g.taps()) * sizeof(int32_t));
  const Scratch weights(static_cast<size_t>(g.groups * g.taps()) * sizeof(T));
  if (down.failed() || table.failed() || weights.failed() || down.size() * across.size() > INT32_MAX)
    return Status::kOutOfMemory;
  int32_t* at = table.as<int32_t>();
  for (int64_t r = 0; r < g.down.taps; ++r) {
    for (int64_t s = 0; s < g.across.taps; ++s)
      *at++ = static_cast<int32_t>(down.place(r) * across.size() + across.place(s));
  }
  T* weight = weights.as<T>();
  for (int64_t k = 0; k < g.groups; ++k) {
    for (int64_t r = 0; r < g.down.taps; ++r) {
      for (int64_t s = 0; s < g.across.taps; ++s)
        *weight++ = filters.data[k * filters.group + r * filters.down + s * filters.across];
    }
  }
  const int64_t bands = ceilDiv(g.down.out, height), count = g.images * g.groups * bands,
                copy = down.size() * across.size();
  const int64_t result = c.isRun(g.down.out, g.across.out) ? 0 : height * g.across.out;
  const int threads = threads::forWork(g.work());
  const int64_t tasks = threads == 1 ? 1 : std::min(count, kTasksPerThread * threads);
  const Scratch scratch(static_cast<size_t>(tasks * (copy + kBeyond + result)) * sizeof(T));
  if (scratch.failed()) return Status::kOutOfMemory;
  const auto one = [&](int64_t task) {
    T* pixels = scratch.as<T>() + task * (copy + kBeyond + result);
    for (int64_t i = 0; i < kBeyond; ++i) pixels[copy + i] = T(0);
    for (int64_t index = count * task / tasks; index < count * (task + 1) / tasks; ++index) {
      const int64_t image = index / bands / g.groups, group = index / bands % g.groups, i0 = index % bands * height;
      const int64_t rows = std::min(height, g.down.out - i0);
      const T* channel = c.channelsOf(image, group);
      down.forLists(i0, rows, [&](int64_t place, int64_t input, int64_t lines) {
        for (int64_t i = 0; i < lines; ++i, input += g.down.step) {
          T* to = pixels + (place + i) * across.size();
          if (input < 0 || input >= g.down.in) {
            for (int64_t j = 0; j < across.size(); ++j) to[j] = T(0);
            continue;
          }
          across.forLists(0, g.across.out, [&](int64_t spot, int64_t first, int64_t elements) {
            copyLines(c.kernel, 1, channel + input * g.across.in, 0, g.across.in, first, g.across.step, elements,
                      to + spot);
          });
        }
      });
      T* target = c.outputsOf(image, group) + i0 * c.grid.row;
      T* to = result == 0 ? target : pixels + copy + kBeyond;
      c.kernel.convChannel({rows, g.across.out, g.taps(), pixels, across.size(), table.as<int32_t>(),
                            weights.as<T>() + group * g.taps(), c.bias == nullptr ? T(0) : *c.biasOf(group), to,
                            c.activation});
      if (result != 0) c.spread(to, 1, rows, g.across.out, target);
    }
  };
  if (tasks == 1) one(0);
  else parallelFor(tasks, one);
  return Status::kOk;
}

// No taps at all: what is left of the sum.
template <class T>
void correlateNothing(const Correlation<T>& c) {
  const Geometry& g = c.g;
  for (int64_t image = 0; image < g.images; ++image) {
    for (int64_t k = 0; k < g.groups * g.filters; ++k) {
      const T value = c.bias == nullptr ? T(0) : c.bias[k];
      T* plane = c.y + image * c.grid.image + k * c.grid.filter;
      for (int64_t i = 0; i < g.down.out; ++i) {
        for (int64_t j = 0; j < g.across.out; ++j) plane[i * c.grid.row + j * c.grid.column] = value;
      }
    }
  }
}

}  // namespace

template <class T>
Status correlate(const Geometry& given, const T* x, const Filters<T>& weights, const T* bias, Activation activation, T* y,
                 const Grid& grid) {
  Geometry g = given;
  if (g.images * g.groups * g.filters * g.down.out * g.across.out == 0) return Status::kOk;
  // Filters of one tap see no rows: a channel is one line.
  Grid place = grid;
  if (g.down.plain() && g.across.plain() && grid.column == 1 && grid.row == g.across.out) {
    g.across.in = g.across.out = g.down.out * g.across.out;
    g.down.in = g.down.out = 1;
  }
  Correlation<T> c{g, x, nullptr, bias, activation, y, place, floatKernels<T>(kernels()), 0, nullptr};
  if (g.depth() == 0) {
    correlateNothing(c);
    return Status::kOk;
  }
  if (isDepthwise<T>(g) && place.column == 1) return depthwise(g, x, weights, bias, activation, y, place);
  if (g.single()) return correlateSingles(c, weights);
  return correlateMany(c, weights);
}

template Status correlate<float>(const Geometry&, const float*, const Filters<float>&, const float*, Activation, float*,
                                 const Grid&);
template Status correlate<double>(const Geometry&, const double*, const Filters<double>&, const double*, Activation,
                                  double*, const Grid&);

}  // namespace latent
