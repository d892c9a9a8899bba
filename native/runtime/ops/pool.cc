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

// The rows of a window are combined first, over whole rows of x; then its columns.
template <class T>
void poolPlane(const Windows& w, const T* x, T* row, T* out) {
  const auto& binary = floatKernels<T>(kernels()).binary;
  const auto combine =
      binary[static_cast<int>(w.average ? Binary::kAdd : Binary::kMaximum)][static_cast<int>(Broadcast::kNone)];
  for (int64_t i = 0; i < w.outRows; ++i, out += w.outColumns) {
    int64_t r0, r1;
    w.rowsOf(i, r0, r1);
    const T* source = x + r0 * w.columns;
    if (r1 - r0 > 1) {
      combine(w.columns, source, source + w.columns, row);
      for (int64_t r = r0 + 2; r < r1; ++r) combine(w.columns, row, x + r * w.columns, row);
      source = row;
    }
    for (int64_t j = 0; j < w.outColumns; ++j) {
      int64_t c0, c1;
      w.columnsOf(j, c0, c1);
      T value = source[c0];
      if (w.average) {
        for (int64_t c = c0 + 1; c < c1; ++c) value += source[c];
        out[j] = static_cast<T>(static_cast<double>(value) / w.divisor(i, j));
      } else {
        for (int64_t c = c0 + 1; c < c1; ++c) value = wins(source[c], value) ? source[c] : value;
        out[j] = value;
      }
    }
  }
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

// in: x. out: the pooled.
Status runPool(Call& call) {
  const View &x = call.in[0], &out = call.out;
  Windows w;
  if (!isFloat(out.dtype) || x.dtype != out.dtype || !out.contiguous() || !windowsOf(call, x, out, w)) {
    return Status::kContract;
  }
  if (out.size() == 0) return Status::kOk;
  const Contiguous source(x);
  const Scratch room(static_cast<size_t>(w.planes * w.columns) * sizeOf(out.dtype));
  if (source.failed() || room.failed()) return Status::kOutOfMemory;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    forPlanes(w, [&](int64_t i) {
      poolPlane(w, source.as<T>() + i * w.in(), room.as<T>() + i * w.columns, out.as<T>() + i * w.out());
    });
  });
  return Status::kOk;
}

template <class T>
void spreadAverage(const Windows& w, const T* g, T* out) {
  for (int64_t i = 0; i < w.outRows; ++i) {
    int64_t r0, r1;
    w.rowsOf(i, r0, r1);
    for (int64_t j = 0; j < w.outColumns; ++j) {
      int64_t c0, c1;
      w.columnsOf(j, c0, c1);
      const T share = static_cast<T>(static_cast<double>(g[i * w.outColumns + j]) / w.divisor(i, j));
      for (int64_t r = r0; r < r1; ++r) {
        for (int64_t c = c0; c < c1; ++c) out[r * w.columns + c] += share;
      }
    }
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
  fillWith(out, 0);
  if (g.size() == 0) return Status::kOk;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    forPlanes(w, [&](int64_t p) {
      const T* from = gradient.as<T>() + p * w.out();
      T* to = out.as<T>() + p * w.in();
      if (w.average) return spreadAverage(w, from, to);
      for (int64_t i = 0; i < w.outRows; ++i) {
        for (int64_t j = 0; j < w.outColumns; ++j) {
          to[largestOf(w, source.as<T>() + p * w.in(), i, j)] += from[i * w.outColumns + j];
        }
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
