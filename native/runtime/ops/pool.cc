// Pooling over windows of the last two dimensions.
#include <algorithm>
#include <cstring>
#include <limits>

#include "../caches.h"
#include "../cpu.h"
#include "../tensor/dispatch.h"
#include "../tensor/move.h"
#include "../tensor/strided.h"
#include "../threads.h"
#include "ops.h"

namespace latent {
namespace {

// How windows lie: ints are kind, height, width, the steps down and across, the rows and columns in front of the first
// element, and whether an average counts what lies outside.
struct Windows {
  bool average, countsOutside;
  int64_t height, width, down, across, top, left;
  int64_t planes, rows, columns, outRows, outColumns;

  int64_t in() const { return rows * columns; }
  int64_t out() const { return outRows * outColumns; }

  // The part of the i-th window of a dimension that lies inside.
  static void inside(int64_t i, int64_t step, int64_t before, int64_t size, int64_t extent, int64_t& from, int64_t& to) {
    from = i * step - before;
    to = from + size < extent ? from + size : extent;
    if (from < 0) from = 0;
  }
  void rowsOf(int64_t i, int64_t& from, int64_t& to) const { inside(i, down, top, height, rows, from, to); }
  void columnsOf(int64_t j, int64_t& from, int64_t& to) const { inside(j, across, left, width, columns, from, to); }

  // The divisor of a mean in one dimension. With elements outside counted, as PyTorch does: padding counts, and what a
  // last window has beyond it doesn't.
  int64_t count(int64_t i, int64_t step, int64_t before, int64_t size, int64_t extent) const {
    int64_t from, to;
    inside(i, step, before, size, extent, from, to);
    if (!countsOutside) return to - from;
    from = i * step - before;
    return (from + size < extent + before ? from + size : extent + before) - from;
  }
  int64_t rowCount(int64_t i) const { return count(i, down, top, height, rows); }
  int64_t columnCount(int64_t j) const { return count(j, across, left, width, columns); }

  // The area that windows reach, from the first row and column in front of x on.
  int64_t reachRows() const { return (outRows - 1) * down + height; }
  int64_t reachColumns() const { return (outColumns - 1) * across + width; }
  bool allInside() const { return top == 0 && left == 0 && reachRows() <= rows && reachColumns() <= columns; }
  // One window, which is the whole plane.
  bool isGlobal() const { return out() == 1 && allInside() && height == rows && width == columns; }
  // Whether what is put around a plane stays in proportion to it.
  bool reachesLittle() const {
    return static_cast<double>(reachRows()) * static_cast<double>(reachColumns()) <= 4.0 * static_cast<double>(in()) + 4096;
  }
  // As kernels take them, of x itself or of what was put around it.
  PoolBlock block(int64_t xRow) const { return {outRows, outColumns, height, width, down, across, xRow, outColumns}; }
};

// Whether `small` is what pooling `large` gives, every window holding an element.
bool windowsOf(const Call& call, const View& large, const View& small, Windows& w) {
  if (large.rank < 2 || small.rank != large.rank) return false;
  const int32_t* p = call.ints;
  for (int i = 1; i < 7; ++i) {
    if (p[i] < (i < 5 ? 1 : 0)) return false;
  }
  w = {p[0] != 0, p[7] != 0, p[1], p[2], p[3], p[4], p[5], p[6], 1, 0, 0, 0, 0};
  for (int d = 0; d + 2 < large.rank; ++d) {
    if (large.shape[d] != small.shape[d]) return false;
    w.planes *= large.shape[d];
  }
  w.rows = large.shape[large.rank - 2];
  w.columns = large.shape[large.rank - 1];
  w.outRows = small.shape[small.rank - 2];
  w.outColumns = small.shape[small.rank - 1];
  if (w.out() == 0 || w.planes == 0) return true;
  if (w.top >= w.height || w.left >= w.width) return false;
  // In double: sizes go up to 2^53.
  const auto begins = [](int64_t last, int64_t step, int64_t before, int64_t extent) {
    return static_cast<double>(last) * static_cast<double>(step) - static_cast<double>(before) <
           static_cast<double>(extent);
  };
  return w.rows > 0 && w.columns > 0 && begins(w.outRows - 1, w.down, w.top, w.rows) &&
         begins(w.outColumns - 1, w.across, w.left, w.columns);
}

// Calls plane(p, room) for all planes, with room for `each` elements that is the caller's until the next.
template <class T, class F>
Status forPlanes(const Windows& w, int64_t each, F&& plane) {
  const int64_t work = w.in() + w.out() * (w.height + w.width);
  const int64_t least = kElementGrain / (work + 1) + 1, most = threads::count() * 4;
  const int64_t share = (w.planes + most - 1) / most, grain = each == 0 || least > share ? least : share;
  const int64_t parts = (w.planes + grain - 1) / grain;
  const Scratch room(each == 0 ? 1 : static_cast<size_t>(parts * each) * sizeof(T));
  if (room.failed()) return Status::kOutOfMemory;
  parallelRanges(w.planes, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) plane(i, room.template as<T>() + begin / grain * each);
  });
  return Status::kOk;
}

// A plane with what windows reach around it, `around` everywhere.
template <class T>
void putInside(const Windows& w, T around, const T* x, T* room) {
  const int64_t columns = w.reachColumns(), within = std::min(w.columns, columns - w.left);
  const auto fill = [&](T* from, T* to) { std::fill(from, to, around); };
  for (int64_t r = 0; r < w.reachRows(); ++r, room += columns) {
    const int64_t from = r - w.top;
    if (from < 0 || from >= w.rows) {
      fill(room, room + columns);
      continue;
    }
    fill(room, room + w.left);
    std::memcpy(room + w.left, x + from * w.columns, static_cast<size_t>(within) * sizeof(T));
    fill(room + w.left + within, room + columns);
  }
}

// Back: what lies inside, and zeros where no window reaches.
template <class T>
void takeInside(const Windows& w, const T* room, T* x) {
  const int64_t columns = w.reachColumns(), within = std::min(w.columns, columns - w.left);
  for (int64_t r = 0; r < w.rows; ++r, x += w.columns) {
    const int64_t from = r + w.top, there = from < w.reachRows() ? within : 0;
    if (there > 0) std::memcpy(x, room + from * columns + w.left, static_cast<size_t>(there) * sizeof(T));
    std::fill(x + there, x + w.columns, T(0));
  }
}

// The counts of all rows and columns of windows.
template <class T>
class Counts {
 public:
  explicit Counts(const Windows& w) : w_(w), room_(static_cast<size_t>(w.outRows + w.outColumns) * sizeof(T)) {
    if (failed()) return;
    for (int64_t i = 0; i < w.outRows; ++i) rows()[i] = static_cast<T>(w.rowCount(i));
    for (int64_t j = 0; j < w.outColumns; ++j) columns()[j] = static_cast<T>(w.columnCount(j));
  }
  bool failed() const { return room_.failed(); }
  T* rows() const { return room_.template as<T>(); }
  T* columns() const { return rows() + w_.outRows; }

 private:
  const Windows& w_;
  const Scratch room_;
};

template <class T>
bool wins(T x, T best) {
  return x > best || x != x;
}

// Where the first of a window's largest elements lies; a NaN is the largest.
template <class T>
int64_t largestOf(const Windows& w, const T* x, int64_t i, int64_t j) {
  int64_t r0, r1, c0, c1;
  w.rowsOf(i, r0, r1);
  w.columnsOf(j, c0, c1);
  int64_t at = r0 * w.columns + c0;
  for (int64_t r = r0; r < r1; ++r) {
    for (int64_t c = c0; c < c1; ++c) {
      if (x[at] != x[at]) return at;
      if (wins(x[r * w.columns + c], x[at])) at = r * w.columns + c;
    }
  }
  return at;
}

// Which of a window's elements that is, those outside counted.
template <class T>
T largestPlace(const Windows& w, const T* x, int64_t i, int64_t j) {
  const int64_t at = largestOf(w, x, i, j);
  return static_cast<T>((at / w.columns - i * w.down + w.top) * w.width + at % w.columns - j * w.across + w.left);
}

// Where an element of a window lies; -1 for what none is, or is outside.
template <class T>
int64_t positionOf(const Windows& w, T place, int64_t i, int64_t j) {
  if (!(place >= 0 && place < static_cast<T>(w.height * w.width))) return -1;
  const int64_t tap = static_cast<int64_t>(place);
  const int64_t r = i * w.down - w.top + tap / w.width, c = j * w.across - w.left + tap % w.width;
  return r < 0 || r >= w.rows || c < 0 || c >= w.columns ? -1 : r * w.columns + c;
}

// One window at a time, for windows that are far larger than their plane.
template <class T>
T meanOf(const Windows& w, const T* x, int64_t i, int64_t j) {
  int64_t r0, r1, c0, c1;
  w.rowsOf(i, r0, r1);
  w.columnsOf(j, c0, c1);
  T sum = 0;
  for (int64_t r = r0; r < r1; ++r) {
    for (int64_t c = c0; c < c1; ++c) sum += x[r * w.columns + c];
  }
  return sum / static_cast<T>(w.rowCount(i) * w.columnCount(j));
}
template <class T>
void spreadMean(const Windows& w, T g, int64_t i, int64_t j, T* slopes) {
  int64_t r0, r1, c0, c1;
  w.rowsOf(i, r0, r1);
  w.columnsOf(j, c0, c1);
  const T share = g / static_cast<T>(w.rowCount(i) * w.columnCount(j));
  for (int64_t r = r0; r < r1; ++r) {
    for (int64_t c = c0; c < c1; ++c) slopes[r * w.columns + c] += share;
  }
}
template <class F>
void forWindows(const Windows& w, F&& each) {
  for (int64_t i = 0; i < w.outRows; ++i) {
    for (int64_t j = 0; j < w.outColumns; ++j) each(i, j);
  }
}

// `places` may be null.
template <class T>
Status poolPlanes(const Windows& w, const T* x, T* out, T* places) {
  const bool whole = w.allInside();
  const auto placeAll = [&](int64_t p) {
    forWindows(w, [&](int64_t i, int64_t j) {
      places[p * w.out() + i * w.outColumns + j] = largestPlace(w, x + p * w.in(), i, j);
    });
  };
  if (!whole && !w.reachesLittle()) {
    return forPlanes<T>(w, 0, [&](int64_t p, T*) {
      const T* plane = x + p * w.in();
      forWindows(w, [&](int64_t i, int64_t j) {
        out[p * w.out() + i * w.outColumns + j] = w.average ? meanOf(w, plane, i, j) : plane[largestOf(w, plane, i, j)];
      });
      if (places != nullptr) placeAll(p);
    });
  }
  const auto& k = floatKernels<T>(kernels());
  if (w.average && w.isGlobal()) {
    const auto sum = k.reduceRow[static_cast<int>(Reduce::kSum)];
    return forPlanes<T>(w, 0, [&](int64_t p, T*) { out[p] = sum(w.in(), x + p * w.in()) / static_cast<T>(w.in()); });
  }
  const Counts<T> counts(w);
  if (counts.failed()) return Status::kOutOfMemory;
  const PoolBlock block = w.block(whole ? w.columns : w.reachColumns());
  const T lowest = -std::numeric_limits<T>::infinity(), around = w.average ? T(0) : lowest;
  return forPlanes<T>(w, whole ? 0 : w.reachRows() * w.reachColumns(), [&](int64_t p, T* room) {
    const T* plane = x + p * w.in();
    if (!whole) putInside(w, around, plane, room);
    const T* from = whole ? plane : room;
    T* const to = out + p * w.out();
    if (w.average) return k.poolMean(block, from, counts.rows(), counts.columns(), to);
    if (places == nullptr) return k.poolMax(block, from, to);
    k.poolMaxPlaced(block, from, to, places + p * w.out());
    // The border that is put around a plane must not be taken for its own elements.
    if (!whole && !(k.reduceRow[static_cast<int>(Reduce::kMin)](w.out(), to) > lowest)) placeAll(p);
  });
}

// in: x. out: the pooled; of maxima also, if there are two outputs, the place of each in its window, by rows from 0.
Status runPool(Call& call) {
  const View &x = call.in[0], &out = call.out;
  Windows w;
  if (!isFloat(out.dtype) || x.dtype != out.dtype || !out.contiguous() || !windowsOf(call, x, out, w)) {
    return LATENT_BROKEN;
  }
  const View* const places = call.outputs == 2 ? &call.more[0] : nullptr;
  if (places != nullptr && (w.average || !places->sameShape(out))) return LATENT_BROKEN;
  if (out.size() == 0) return Status::kOk;
  const Contiguous source(x);
  if (source.failed()) return Status::kOutOfMemory;
  Status status = Status::kOk;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    // Places above are no whole numbers of the type any more.
    constexpr double kMost = sizeof(T) == sizeof(float) ? 0x1p24 : 0x1p53;
    if (places != nullptr && static_cast<double>(w.height) * static_cast<double>(w.width) > kMost) status = LATENT_BROKEN;
    else status = poolPlanes<T>(w, source.as<T>(), out.as<T>(), places == nullptr ? nullptr : places->as<T>());
  });
  return status;
}

// The gradient of maxima row by row of x: each sums up over the windows above it, which lie one or two columns apart. It is
// written once, and needs no room around the plane.
template <class T>
class MaxLines {
 public:
  explicit MaxLines(const Windows& w)
      : w_(w), kernel_(floatKernels<T>(kernels())),
        streams_(static_cast<double>(w.planes) * static_cast<double>(w.in()) * sizeof(T) >=
                 static_cast<double>(caches().l2)),
        span_(w.left + w.columns), line_(w.width + std::max(w.outColumns, span_ / w.across + 1) + kernel_.gemmShape.lanes) {
  }

  // Elements for the rows of windows, the row of slopes and, in places of T, what tells of the lines above it.
  int64_t room() const { return rowsRoom() + wholeLine(span_) + wholeLine(descriptions() * kPerLine); }

  void plane(const T* g, const T* places, T* slopes, T* room) const {
    T* const all = room + w_.outRows * line_;
    for (int64_t i = 0; i < w_.outRows; ++i) {
      put(places + i * w_.outColumns, T(-1), room + i * line_);
      put(g + i * w_.outColumns, T(0), all + i * line_);
    }
    T* const row = room + rowsRoom();
    PoolLine<T>* const lines = reinterpret_cast<PoolLine<T>*>(row + wholeLine(span_));
    for (int64_t y = 0; y < w_.rows; ++y, slopes += w_.columns) {
      int64_t count = 0;
      for (int64_t r = (y + w_.top) % w_.down; r < w_.height; r += w_.down) {
        const int64_t i = (y + w_.top - r) / w_.down;
        if (y + w_.top < r || i >= w_.outRows) continue;
        const int64_t at = i * line_ + w_.width;
        lines[count++] = {room + at, all + at, static_cast<T>(r * w_.width)};
      }
      T* const to = w_.left == 0 && !streams_ ? slopes : row;
      kernel_.poolMaxLine(span_, w_.across, w_.width, count, lines, to);
      if (streams_) kernel_.stream(w_.columns, row + w_.left, slopes);
      else if (to == row) std::memcpy(slopes, row + w_.left, static_cast<size_t>(w_.columns) * sizeof(T));
    }
    if (streams_) kernels().endStreams();
  }

 private:
  static constexpr int64_t kPerLine = sizeof(PoolLine<T>) / sizeof(T);
  static int64_t wholeLine(int64_t n) { return (n + 63) / 64 * 64; }
  int64_t rowsRoom() const { return wholeLine(2 * w_.outRows * line_); }
  int64_t descriptions() const { return (w_.height + w_.down - 1) / w_.down; }

  // A row of windows with `around` in front and after.
  void put(const T* from, T around, T* to) const {
    std::fill(to, to + w_.width, around);
    std::memcpy(to + w_.width, from, static_cast<size_t>(w_.outColumns) * sizeof(T));
    std::fill(to + w_.width + w_.outColumns, to + line_, around);
  }

  const Windows& w_;
  const FloatKernels<T>& kernel_;
  const bool streams_;  // what is larger than the caches goes past them
  const int64_t span_, line_;
};

// From g to the slopes of x; places count for maxima alone.
template <class T>
Status slopePlanes(const Windows& w, const T* g, const T* places, T* slopes) {
  const bool whole = w.allInside();
  const auto byWindows = [&](int64_t p) {
    const T* const from = g + p * w.out();
    T* const to = slopes + p * w.in();
    std::memset(to, 0, static_cast<size_t>(w.in()) * sizeof(T));
    forWindows(w, [&](int64_t i, int64_t j) {
      const T slope = from[i * w.outColumns + j];
      if (w.average) return spreadMean(w, slope, i, j, to);
      const int64_t at = positionOf(w, places[p * w.out() + i * w.outColumns + j], i, j);
      if (at >= 0) to[at] += slope;
    });
  };
  if (!whole && !w.reachesLittle()) return forPlanes<T>(w, 0, [&](int64_t p, T*) { byWindows(p); });
  if (w.average && w.isGlobal()) {
    return forPlanes<T>(w, 0, [&](int64_t p, T*) {
      std::fill(slopes + p * w.in(), slopes + (p + 1) * w.in(), g[p] / static_cast<T>(w.in()));
    });
  }
  // Windows that share nothing write each element once as it is.
  const bool shares = !whole || w.height > w.down || w.width > w.across;
  if (!w.average && w.across <= 2 && shares) {
    const MaxLines<T> lines(w);
    return forPlanes<T>(w, lines.room(), [&](int64_t p, T* room) {
      lines.plane(g + p * w.out(), places + p * w.out(), slopes + p * w.in(), room);
    });
  }
  const auto& k = floatKernels<T>(kernels());
  const Counts<T> counts(w);
  if (counts.failed()) return Status::kOutOfMemory;
  const PoolBlock block = w.block(whole ? w.columns : w.reachColumns());
  const int64_t reach = w.reachRows() * w.reachColumns();
  return forPlanes<T>(w, whole ? 0 : reach, [&](int64_t p, T* room) {
    const T* from = g + p * w.out();
    T* const out = slopes + p * w.in();
    T* const to = whole ? out : room;
    std::memset(to, 0, static_cast<size_t>(whole ? w.in() : reach) * sizeof(T));
    if (w.average) k.poolMeanSlope(block, counts.rows(), counts.columns(), from, to);
    else k.poolMaxSlope(block, places + p * w.out(), from, to);
    if (!whole) takeInside(w, room, out);
  });
}

// in: g of the pooled shape, and for maxima their places. out: the gradient of x.
Status runPoolGradient(Call& call) {
  const View &g = call.in[0], &out = call.out;
  Windows w;
  if (!isFloat(out.dtype) || g.dtype != out.dtype || !out.contiguous() || !windowsOf(call, out, g, w)) {
    return LATENT_BROKEN;
  }
  if (call.inputs != (w.average ? 1 : 2)) return LATENT_BROKEN;
  const View places = w.average ? View{} : call.in[1];
  if (!w.average && (places.dtype != out.dtype || !places.sameShape(g))) return LATENT_BROKEN;
  const Contiguous gradient(g), told(places);
  if (gradient.failed() || told.failed()) return Status::kOutOfMemory;
  if (g.size() == 0) {
    fillWith(out, 0);
    return Status::kOk;
  }
  return withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    return slopePlanes<T>(w, gradient.as<T>(), told.as<T>(), out.as<T>());
  });
}

// in: h, and the places of one of its elements in each window. out: these elements.
Status runPoolPick(Call& call) {
  const View &h = call.in[0], &places = call.in[1], &out = call.out;
  Windows w;
  if (!isFloat(out.dtype) || places.dtype != out.dtype || h.dtype != out.dtype || !out.contiguous() ||
      !places.sameShape(out) || !windowsOf(call, h, out, w)) {
    return LATENT_BROKEN;
  }
  if (out.size() == 0) return Status::kOk;
  const Contiguous values(h), told(places);
  if (values.failed() || told.failed()) return Status::kOutOfMemory;
  Status status = Status::kOk;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    status = forPlanes<T>(w, 0, [&](int64_t p, T*) {
      forWindows(w, [&](int64_t i, int64_t j) {
        const int64_t to = p * w.out() + i * w.outColumns + j, at = positionOf(w, told.as<T>()[to], i, j);
        out.as<T>()[to] = at < 0 ? T(0) : values.as<T>()[p * w.in() + at];
      });
    });
  });
  return status;
}

const OpEntry kEntries[] = {
    {"pool", OpKind::kFill, 1, 1, runPool, 2},
    {"poolGradient", OpKind::kFill, 1, 2, runPoolGradient},
    {"poolPick", OpKind::kFill, 2, 2, runPoolPick},
};

}  // namespace

const OpList kPoolOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
