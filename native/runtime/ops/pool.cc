// Pooling over windows of the last two dimensions.
#include <cstring>
#include <limits>

#include "../cpu.h"
#include "dispatch.h"
#include "move.h"
#include "ops.h"
#include "strided.h"

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

  // What an average divides by. With what lies outside counted, as PyTorch does: padding counts, and what a last window
  // has beyond it doesn't.
  double divisor(int64_t i, int64_t j) const {
    int64_t r0, r1, c0, c1;
    rowsOf(i, r0, r1);
    columnsOf(j, c0, c1);
    if (countsOutside) {
      r0 = i * down - top;
      c0 = j * across - left;
      r1 = r0 + height < rows + top ? r0 + height : rows + top;
      c1 = c0 + width < columns + left ? c0 + width : columns + left;
    }
    return static_cast<double>((r1 - r0) * (c1 - c0));
  }
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
    return static_cast<double>(last) * static_cast<double>(step) - static_cast<double>(before) < static_cast<double>(extent);
  };
  return w.rows > 0 && w.columns > 0 && begins(w.outRows - 1, w.down, w.top, w.rows) &&
         begins(w.outColumns - 1, w.across, w.left, w.columns);
}

template <class F>
void forPlanes(const Windows& w, F&& plane) {
  const int64_t work = w.in() + w.out() * (w.height + w.width);
  parallelRanges(w.planes, kElementGrain / (work + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) plane(i);
  });
}

template <class T>
bool wins(T x, T best) { return x > best || x != x; }

// The windows of a plane that lie inside it: rows [top, bottom) and columns [left, right) of the result.
struct Interior {
  int64_t top, bottom, left, right;

  explicit Interior(const Windows& w) {
    between(w.down, w.top, w.height, w.rows, w.outRows, top, bottom);
    between(w.across, w.left, w.width, w.columns, w.outColumns, left, right);
    if (left == right) bottom = top;
  }

  // Calls edge(i, j) for every other one.
  template <class F>
  void forOthers(const Windows& w, F&& edge) const {
    for (int64_t i = 0; i < w.outRows; ++i) {
      const bool through = i >= top && i < bottom;
      for (int64_t j = 0; j < (through ? left : w.outColumns); ++j) edge(i, j);
      for (int64_t j = through ? right : w.outColumns; j < w.outColumns; ++j) edge(i, j);
    }
  }

 private:
  static void between(int64_t step, int64_t before, int64_t size, int64_t extent, int64_t count, int64_t& from, int64_t& to) {
    from = (before + step - 1) / step;
    to = extent + before >= size ? (extent + before - size) / step + 1 : 0;
    if (to > count) to = count;
    if (to < from) to = from;
  }
};

// What goes with the windows inside: their block, and where in a plane and in its result they begin.
struct Inside {
  PoolBlock block;
  int64_t x, out;

  Inside(const Windows& w, const Interior& in)
      : block{in.bottom - in.top, in.right - in.left, w.height, w.width, w.down, w.across, w.columns, w.outColumns},
        x((in.top * w.down - w.top) * w.columns + in.left * w.across - w.left),
        out(in.top * w.outColumns + in.left) {}
  bool some() const { return block.rows > 0; }
};

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

template <class T>
T meanOf(const Windows& w, const T* x, int64_t i, int64_t j) {
  int64_t r0, r1, c0, c1;
  w.rowsOf(i, r0, r1);
  w.columnsOf(j, c0, c1);
  T sum = 0;
  for (int64_t r = r0; r < r1; ++r) {
    for (int64_t c = c0; c < c1; ++c) sum += x[r * w.columns + c];
  }
  return static_cast<T>(static_cast<double>(sum) / w.divisor(i, j));
}

// in: x. out: the pooled.
Status runPool(Call& call) {
  const View &x = call.in[0], &out = call.out;
  Windows w;
  if (!isFloat(out.dtype) || x.dtype != out.dtype || !out.contiguous() || !windowsOf(call, x, out, w)) {
    return Status::kContract;
  }
  if (out.size() == 0) return Status::kOk;
  const Contiguous source(x);
  if (source.failed()) return Status::kOutOfMemory;
  const Interior interior(w);
  const Inside inside(w, interior);
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const auto& k = floatKernels<T>(kernels());
    forPlanes(w, [&](int64_t p) {
      const T* from = source.as<T>() + p * w.in();
      T* to = out.as<T>() + p * w.out();
      if (inside.some()) (w.average ? k.poolMean : k.poolMax)(inside.block, from + inside.x, to + inside.out);
      interior.forOthers(w, [&](int64_t i, int64_t j) {
        to[i * w.outColumns + j] = w.average ? meanOf(w, from, i, j) : from[largestOf(w, from, i, j)];
      });
    });
  });
  return Status::kOk;
}

template <class T>
void spreadMean(const Windows& w, T g, int64_t i, int64_t j, T* out) {
  int64_t r0, r1, c0, c1;
  w.rowsOf(i, r0, r1);
  w.columnsOf(j, c0, c1);
  const T share = static_cast<T>(static_cast<double>(g) / w.divisor(i, j));
  for (int64_t r = r0; r < r1; ++r) {
    for (int64_t c = c0; c < c1; ++c) out[r * w.columns + c] += share;
  }
}

// in: g of the pooled shape, and for maxima x. out: the gradient of x.
Status runPoolGradient(Call& call) {
  const View &g = call.in[0], &out = call.out;
  Windows w;
  if (!isFloat(out.dtype) || g.dtype != out.dtype || !out.contiguous() || !windowsOf(call, out, g, w)) {
    return Status::kContract;
  }
  if (call.inputs != (w.average ? 1 : 2)) return Status::kContract;
  const View x = w.average ? View{} : call.in[1];
  if (!w.average && (x.dtype != out.dtype || !x.sameShape(out))) return Status::kContract;
  const Contiguous gradient(g), source(x);
  if (gradient.failed() || source.failed()) return Status::kOutOfMemory;
  if (g.size() == 0) {
    fillWith(out, 0);
    return Status::kOk;
  }
  const Interior interior(w);
  const Inside inside(w, interior);
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const auto& k = floatKernels<T>(kernels());
    forPlanes(w, [&](int64_t p) {
      const T* from = gradient.as<T>() + p * w.out();
      T* to = out.as<T>() + p * w.in();
      std::memset(to, 0, static_cast<size_t>(w.in()) * sizeof(T));
      if (w.average) {
        if (inside.some()) k.poolMeanSlope(inside.block, from + inside.out, to + inside.x);
        interior.forOthers(w, [&](int64_t i, int64_t j) { spreadMean(w, from[i * w.outColumns + j], i, j, to); });
      } else {
        const T* values = source.as<T>() + p * w.in();
        if (inside.some()) k.poolMaxSlope(inside.block, values + inside.x, from + inside.out, to + inside.x);
        interior.forOthers(w, [&](int64_t i, int64_t j) {
          to[largestOf(w, values, i, j)] += from[i * w.outColumns + j];
        });
      }
    });
  });
  return Status::kOk;
}

// in: h and x, of one shape. out: of each of x's windows the element of h where x is largest.
Status runPoolPick(Call& call) {
  const View &h = call.in[0], &x = call.in[1], &out = call.out;
  Windows w;
  if (!isFloat(out.dtype) || x.dtype != out.dtype || h.dtype != out.dtype || !out.contiguous() || !h.sameShape(x) ||
      !windowsOf(call, x, out, w)) {
    return Status::kContract;
  }
  if (out.size() == 0) return Status::kOk;
  const Contiguous values(h), source(x);
  if (values.failed() || source.failed()) return Status::kOutOfMemory;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    forPlanes(w, [&](int64_t p) {
      for (int64_t i = 0; i < w.outRows; ++i) {
        for (int64_t j = 0; j < w.outColumns; ++j) {
          const int64_t at = largestOf(w, source.as<T>() + p * w.in(), i, j);
          out.as<T>()[p * w.out() + i * w.outColumns + j] = values.as<T>()[p * w.in() + at];
        }
      }
    });
  });
  return Status::kOk;
}

const OpEntry kEntries[] = {
    {"pool", OpKind::kFill, 1, 1, runPool},
    {"poolGradient", OpKind::kFill, 1, 2, runPoolGradient},
    {"poolPick", OpKind::kFill, 2, 2, runPoolPick},
};

}  // namespace

const OpList kPoolOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
