// Pixels copied so that what any tap of a filter reads lies one after another, whatever the strides, dilation and padding
// are.
#pragma once

#include "../cpu.h"
#include "../memory.h"
#include "line.h"

namespace latent {

// Inputs that a range of outputs of a line reads, one list for each remainder that they leave by the step: there an output
// and the next one read neighbours.
class Stack {
 public:
  // For ranges of up to `outputs` outputs.
  Stack(const Line& line, int64_t outputs);
  bool failed() const { return room_.failed(); }

  int64_t size() const { return size_; }
  // Where the input of tap t for the first output lies.
  int64_t place(int64_t tap) const { return places()[tap]; }

  // Calls body(place, input, count) for each list of inputs that `outputs` outputs from `begin` on read: `count` of them,
  // line.step apart, from `input` on, which may lie outside.
  template <class F>
  void forLists(int64_t begin, int64_t outputs, F&& body) const {
    const List* list = lists();
    for (int64_t i = 0; i < lists_; ++i, ++list) {
      body(list->place, (begin + list->low) * step_ + list->remainder, list->high - list->low + outputs);
    }
  }

 private:
  struct List {
    int64_t remainder, low, high, place;
  };
  List* lists() const { return room_.as<List>(); }
  int64_t* places() const { return reinterpret_cast<int64_t*>(lists() + most_); }

  int64_t step_, most_, lists_ = 0, size_ = 0;
  Scratch room_;
};

// `rows` rows of `count` elements each, one after another: from element `first` of a row of `size` on, `step` apart, zeros
// outside; the rows are xRow apart.
template <class T>
void copyLines(const FloatKernels<T>& kernel, int64_t rows, const T* x, int64_t xRow, int64_t size, int64_t first,
               int64_t step, int64_t count, T* out) {
  const auto held = [count](int64_t i) { return i < 0 ? 0 : (i > count ? count : i); };
  const int64_t from = held(ceilDiv(-first, step)), to = held(ceilDiv(size - first, step));
  if (from < to) kernel.copyPadded(rows, count, from, to - from, x + first + from * step, xRow, step, out);
  else kernel.copyPadded(rows, count, count, 0, x, xRow, 1, out);
}

// Elements after what is read in whole vectors.
constexpr int64_t kBeyond = 64;

// A correlation's inputs: for each channel and tap across a plane of rows, as wide as the outputs.
class Planes {
 public:
  // For blocks of up to rows × columns outputs of so many channels.
  Planes(const Line& down, const Line& across, int64_t channels, int64_t rows, int64_t columns);
  bool failed() const { return stack_.failed() || offsets_.failed() || elements_ > kMostElements; }

  int64_t elements() const { return elements_; }
  // Where the taps begin, channel by channel, row by row.
  const int32_t* offsets() const { return offsets_.as<int32_t>(); }

  // `channels` of them from x on, for outputs [i0, i0 + rows) × [j0, j0 + columns).
  template <class T>
  void fill(const T* x, int64_t channels, int64_t i0, int64_t rows, int64_t j0, int64_t columns, T* out) const;

  // The elements that blocks of so many rows and columns take.
  static double sizeOf(const Line& down, const Line& across, int64_t channels, int64_t rows, int64_t columns);

 private:
  static constexpr int64_t kMostElements = INT32_MAX;

  template <class T>
  void copyRows(const FloatKernels<T>& kernel, const T* channel, int64_t input, int64_t count, int64_t first,
                int64_t columns, T* to) const;

  // Whether taps that lie side by side are copied together: with long steps each tap's columns lie far apart.
  bool isTurned() const { return across_.step > 2 && across_.gap == 1 && across_.taps > 2; }
  // The columns of a row for all taps, in planes plane_ apart; null for a row that lies outside.
  template <class T>
  void turnRow(const FloatKernels<T>& kernel, const T* row, int64_t j0, int64_t columns, T* to) const;

  const Line down_, across_;
  const int64_t columns_;
  Stack stack_;
  int64_t plane_, elements_;
  Scratch offsets_;
};

// How outputs are cut into blocks whose inputs, of so many channels, stay in the second cache: between rows, or between the
// columns of one row, so many (`unit`) of which are not cut. Into `wanted` of them at least, as far as that leaves each enough
// to do.
struct Blocks {
  int64_t rows, columns;  // of a block
  int64_t down, across;   // how many there are
  bool fit;               // whether their inputs stay there; if not, no smaller ones would

  enum class Cut { kRows, kColumns };
  static Cut cutOf(const Line& down) { return down.out == 1 ? Cut::kColumns : Cut::kRows; }

  Blocks(const Line& down, const Line& across, Cut cut, int64_t channels, size_t elementBytes, int64_t unit = 1,
         int64_t wanted = 1);
  int64_t count() const { return down * across; }
};

}  // namespace latent
