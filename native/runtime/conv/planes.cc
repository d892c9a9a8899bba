#include "planes.h"

#include <algorithm>
#include <cstring>

#include "../caches.h"

namespace latent {
namespace {

// Columns of a block of one row: at least what a product's tile takes.
constexpr int64_t kLeastColumns = 48;
// Outputs of a block that is cut for the sake of others, at least.
constexpr int64_t kLeastOutputs = 2 * kLeastColumns;

}  // namespace

Stack::Stack(const Line& line, int64_t outputs)
    : step_(line.step), most_(std::min(line.step, line.taps)),
      room_(static_cast<size_t>(most_) * sizeof(List) + static_cast<size_t>(line.taps) * sizeof(int64_t)) {
  if (room_.failed()) return;
  const auto listOf = [&](int64_t remainder) {
    int64_t i = 0;
    while (i < lists_ && lists()[i].remainder != remainder) ++i;
    return i;
  };
  for (int64_t t = 0; t < line.taps; ++t) {
    const int64_t low = floorDiv(line.shift(t), step_), remainder = floorMod(line.shift(t), step_), i = listOf(remainder);
    List& list = lists()[i];
    if (i == lists_) {
      list = {remainder, low, low, 0};
      ++lists_;
    }
    if (low < list.low) list.low = low;
    if (low > list.high) list.high = low;
  }
  for (int64_t i = 0; i < lists_; ++i) {
    lists()[i].place = size_;
    size_ += lists()[i].high - lists()[i].low + outputs;
  }
  for (int64_t t = 0; t < line.taps; ++t) {
    const List& list = lists()[listOf(floorMod(line.shift(t), step_))];
    places()[t] = list.place + floorDiv(line.shift(t), step_) - list.low;
  }
}

Planes::Planes(const Line& down, const Line& across, int64_t channels, int64_t rows, int64_t columns)
    : down_(down), across_(across), columns_(columns), stack_(down, rows), plane_(stack_.size() * columns),
      elements_(channels * across.taps * plane_),
      offsets_(static_cast<size_t>(channels * down.taps * across.taps) * sizeof(int32_t)) {
  if (failed()) return;
  int32_t* at = offsets_.as<int32_t>();
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t r = 0; r < down.taps; ++r) {
      for (int64_t s = 0; s < across.taps; ++s) {
        *at++ = static_cast<int32_t>((c * across.taps + s) * plane_ + stack_.place(r) * columns);
      }
    }
  }
}

// `count` rows of a channel, down_.step apart from `input` on, each from element `first` on.
template <class T>
void Planes::copyRows(const FloatKernels<T>& kernel, const T* channel, int64_t input, int64_t count, int64_t first,
                      int64_t columns, T* to) const {
  const auto held = [](int64_t i, int64_t most) { return i < 0 ? 0 : (i > most ? most : i); };
  const int64_t from = held(ceilDiv(-input, down_.step), count), end = held(ceilDiv(down_.in - input, down_.step), count);
  const int64_t inside = from < end ? end - from : 0;
  std::memset(to, 0, static_cast<size_t>(from * columns_) * sizeof(T));
  const T* x = channel + (input + from * down_.step) * across_.in;
  const int64_t xRow = down_.step * across_.in;
  T* rows = to + from * columns_;
  if (columns == columns_) {
    if (inside > 0) copyLines(kernel, inside, x, xRow, across_.in, first, across_.step, columns, rows);
  } else {
    for (int64_t i = 0; i < inside; ++i) {
      copyLines(kernel, 1, x + i * xRow, 0, across_.in, first, across_.step, columns, rows + i * columns_);
    }
  }
  std::memset(rows + inside * columns_, 0, static_cast<size_t>((count - from - inside) * columns_) * sizeof(T));
}

template <class T>
void Planes::turnRow(const FloatKernels<T>& kernel, const T* row, int64_t j0, int64_t columns, T* to) const {
  const int64_t taps = across_.taps, step = across_.step, first = j0 * step + across_.first;
  const auto held = [&](int64_t j) { return j < 0 || row == nullptr ? 0 : std::min(j, columns); };
  // Columns of which all taps lie inside.
  const int64_t begin = held(ceilDiv(-first, step)), whole = held(floorDiv(across_.in - taps - first, step) + 1);
  const int64_t end = whole > begin ? whole : begin;
  if (begin < end) kernel.turn(end - begin, taps, row + first + begin * step, step, to + begin, plane_);
  for (int64_t s = 0; s < taps; ++s) {
    const auto copy = [&](int64_t from, int64_t until) {
      for (int64_t j = from; j < until; ++j) {
        const int64_t i = first + j * step + s;
        to[s * plane_ + j] = row != nullptr && i >= 0 && i < across_.in ? row[i] : T(0);
      }
    };
    copy(0, begin);
    copy(end, columns);
  }
}

template <class T>
void Planes::fill(const T* x, int64_t channels, int64_t i0, int64_t rows, int64_t j0, int64_t columns, T* out) const {
  const FloatKernels<T>& kernel = floatKernels<T>(kernels());
  for (int64_t c = 0; c < channels; ++c) {
    const T* channel = x + c * down_.in * across_.in;
    if (isTurned()) {
      stack_.forLists(i0, rows, [&](int64_t place, int64_t input, int64_t count) {
        for (int64_t i = 0; i < count; ++i, input += down_.step) {
          const bool inside = input >= 0 && input < down_.in;
          turnRow(kernel, inside ? channel + input * across_.in : nullptr, j0, columns,
                  out + c * across_.taps * plane_ + (place + i) * columns_);
        }
      });
      continue;
    }
    for (int64_t s = 0; s < across_.taps; ++s) {
      T* plane = out + (c * across_.taps + s) * plane_;
      const int64_t first = j0 * across_.step + across_.shift(s);
      stack_.forLists(i0, rows, [&](int64_t place, int64_t input, int64_t count) {
        copyRows(kernel, channel, input, count, first, columns, plane + place * columns_);
      });
    }
  }
  for (int64_t i = 0; i < kBeyond; ++i) out[elements_ + i] = T(0);
}

template void Planes::fill<float>(const float*, int64_t, int64_t, int64_t, int64_t, int64_t, float*) const;
template void Planes::fill<double>(const double*, int64_t, int64_t, int64_t, int64_t, int64_t, double*) const;

double Planes::sizeOf(const Line& down, const Line& across, int64_t channels, int64_t rows, int64_t columns) {
  // Each list of rows reaches as far as its taps lie apart.
  const double reach =
      static_cast<double>((down.taps - 1) * (down.gap < 0 ? -down.gap : down.gap)) / static_cast<double>(down.step);
  const int64_t lists = std::min(down.step, down.taps);
  return static_cast<double>(channels * across.taps) * static_cast<double>(columns) * static_cast<double>(lists) *
         (reach + static_cast<double>(rows));
}

Blocks::Blocks(const Line& down, const Line& across, Cut cut, int64_t channels, size_t elementBytes, int64_t unit,
               int64_t wanted) {
  const double room = static_cast<double>(caches().l2 / 2) / static_cast<double>(elementBytes);
  const bool row = cut == Cut::kColumns;
  const int64_t all = row ? across.out : down.out;
  // Of the only row, whole tiles.
  const int64_t step = row ? ceilDiv(kLeastColumns, unit) * unit : unit;
  const auto fits = [&](int64_t n) {
    return Planes::sizeOf(down, across, channels, row ? 1 : n, row ? n : across.out) <= room;
  };
  const int64_t least = row ? kLeastOutputs : ceilDiv(kLeastOutputs, across.out), part = ceilDiv(all, wanted);
  // As many steps as fit, then cut evenly.
  int64_t steps = 1;
  for (int64_t beyond = ceilDiv(std::min(part > least ? part : least, all), step) + 1; steps + 1 < beyond;) {
    const int64_t middle = (steps + beyond) / 2;
    if (fits(std::min(middle * step, all))) steps = middle;
    else beyond = middle;
  }
  steps = ceilDiv(ceilDiv(all, step), ceilDiv(all, steps * step));
  const int64_t size = std::min(steps * step, all);
  fit = fits(size);
  rows = row ? 1 : size;
  columns = row ? size : across.out;
  this->down = ceilDiv(down.out, rows);
  this->across = ceilDiv(across.out, columns);
}

}  // namespace latent
