// Walking several strided windows in step: dimensions that are contiguous for all of them are merged, and what is left
// is handed out as rows.
#pragma once

#include <cstdint>

#include "../storage.h"
#include "../threads.h"

namespace latent {

// Elements per task: below it the caller does the work alone.
constexpr int64_t kElementGrain = 16384;

template <int kOperands>
struct Loop {
  int rank = 0;
  int64_t shape[kMaxRank];
  int64_t stride[kOperands][kMaxRank];  // in elements; 0 repeats
  int64_t size = 1;

  // One more dimension, inside the ones so far.
  void push(int64_t extent, const int64_t (&step)[kOperands]) {
    size *= extent;
    if (extent == 1) return;
    if (rank > 0) {
      bool merges = true;
      for (int k = 0; k < kOperands; ++k) merges = merges && stride[k][rank - 1] == step[k] * extent;
      if (merges) {
        shape[rank - 1] *= extent;
        for (int k = 0; k < kOperands; ++k) stride[k][rank - 1] = step[k];
        return;
      }
    }
    shape[rank] = extent;
    for (int k = 0; k < kOperands; ++k) stride[k][rank] = step[k];
    ++rank;
  }

  // The rows as elements: at the same places, without the innermost dimension.
  Loop withoutLast() const {
    Loop outer = *this;
    if (rank > 0) outer.size /= shape[--outer.rank];
    return outer;
  }

  int64_t rowLength() const { return rank == 0 ? 1 : shape[rank - 1]; }
  int64_t rowStride(int k) const { return rank == 0 ? 0 : stride[k][rank - 1]; }

  // Calls row(offsets, n) for the elements [begin, end) in order, each row or part of a row at a time.
  template <class F>
  void forRows(int64_t begin, int64_t end, F&& row) const {
    if (begin >= end) return;
    int64_t index[kMaxRank] = {0};
    int64_t offset[kOperands] = {0};
    int64_t rest = begin;
    for (int d = rank - 1; d >= 0; --d) {
      index[d] = rest % shape[d];
      rest /= shape[d];
      for (int k = 0; k < kOperands; ++k) offset[k] += index[d] * stride[k][d];
    }
    const int last = rank - 1;
    for (int64_t i = begin; i < end;) {
      int64_t n = rank == 0 ? 1 : shape[last] - index[last];
      if (n > end - i) n = end - i;
      row(static_cast<const int64_t (&)[kOperands]>(offset), n);
      i += n;
      if (i >= end) return;
      for (int k = 0; k < kOperands; ++k) offset[k] -= index[last] * stride[k][last];
      index[last] = 0;
      for (int d = last - 1; d >= 0; --d) {
        for (int k = 0; k < kOperands; ++k) offset[k] += stride[k][d];
        if (++index[d] < shape[d]) break;
        for (int k = 0; k < kOperands; ++k) offset[k] -= shape[d] * stride[k][d];
        index[d] = 0;
      }
    }
  }

  template <class F>
  void parallelRows(F&& row) const {
    parallelRanges(size, kElementGrain, [&](int64_t begin, int64_t end) { forRows(begin, end, row); });
  }
};

// Calls write(at, n, make) for stretches of the loop's elements in order, whatever rows they go through; make(i, count, to) then
// calls row(offsets, n, to) for the rows of some of them. A stretch that is streamed has a beginning and an end, which cost.
template <int kOperands, class Write, class Row>
inline void inStretches(const Loop<kOperands>& loop, Write&& write, Row&& row) {
  parallelRanges(loop.size, kElementGrain, [&](int64_t begin, int64_t end) {
    write(begin, end - begin, [&](int64_t i, int64_t count, auto* to) {
      loop.forRows(begin + i, begin + i + count, [&](const int64_t (&o)[kOperands], int64_t n) {
        row(o, n, to);
        to += n;
      });
    });
  });
}

// The stride of `view` along dimension d of `out`, 0 where it repeats. False when the sizes do not broadcast.
inline bool broadcastStride(const View& view, const View& out, int d, int64_t& stride) {
  const int at = d - (out.rank - view.rank);
  stride = 0;
  if (at < 0 || view.shape[at] == 1) return true;
  stride = view.stride[at];
  return view.shape[at] == out.shape[d];
}

// Operand 0 is the output. False when an input does not broadcast to it.
template <int kOperands>
inline bool makeLoop(const View& out, const View* const (&inputs)[kOperands - 1], Loop<kOperands>& loop) {
  for (int k = 1; k < kOperands; ++k) {
    if (inputs[k - 1]->rank > out.rank) return false;
  }
  for (int d = 0; d < out.rank; ++d) {
    int64_t step[kOperands];
    step[0] = out.shape[d] == 1 ? 0 : out.stride[d];
    for (int k = 1; k < kOperands; ++k) {
      if (!broadcastStride(*inputs[k - 1], out, d, step[k])) return false;
    }
    loop.push(out.shape[d], step);
  }
  return true;
}

}  // namespace latent
