#include "move.h"

#include <cstring>
#include <type_traits>

#include "../cpu.h"
#include "dispatch.h"
#include "strided.h"

namespace latent {
namespace {

template <class To, class From>
struct Convert {
  static To of(From x) {
    if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
      return saturate<To>(x);
    } else {
      return static_cast<To>(x);
    }
  }
};
template <class From>
struct Convert<Bool, From> {
  static Bool of(From x) { return {static_cast<uint8_t>(x != 0)}; }
};
template <class To>
struct Convert<To, Bool> {
  static To of(Bool x) { return static_cast<To>(x.v); }
};
template <>
struct Convert<Bool, Bool> {
  static Bool of(Bool x) { return x; }
};

// Numbers of any other type as floats.
template <class To, class From>
void convertRow(int64_t n, const From* in, To* out) {
  const FloatKernels<To>& k = floatKernels<To>(kernels());
  if constexpr (std::is_same_v<From, int32_t>) k.fromInt32(n, in, out);
  else if constexpr (std::is_same_v<From, uint8_t>) k.fromUint8(n, in, out);
  else if constexpr (std::is_same_v<From, Bool>) k.fromUint8(n, reinterpret_cast<const uint8_t*>(in), out);
  else if constexpr (!std::is_same_v<From, To>) k.fromOther(n, in, out);
}

template <class To, class From>
void copyRow(int64_t n, const From* in, int64_t inStep, To* out, int64_t outStep) {
  if constexpr (std::is_same_v<To, From>) {
    if (inStep == 1 && outStep == 1) {
      std::memcpy(out, in, static_cast<size_t>(n) * sizeof(To));
      return;
    }
  }
  if constexpr (std::is_floating_point_v<To>) {
    if (inStep == 1 && outStep == 1) return convertRow(n, in, out);
  }
  if (inStep == 1 && outStep == 1) {
    for (int64_t i = 0; i < n; ++i) out[i] = Convert<To, From>::of(in[i]);
    return;
  }
  if (inStep == 0 && outStep == 1) {
    const To value = Convert<To, From>::of(*in);
    for (int64_t i = 0; i < n; ++i) out[i] = value;
    return;
  }
  for (int64_t i = 0; i < n; ++i) out[i * outStep] = Convert<To, From>::of(in[i * inStep]);
}

// The float type that has as many bytes as T.
template <class T>
using Bits = std::conditional_t<sizeof(T) == 8, double, float>;

// Elements of a task, and the least sides of a matrix that is turned in squares.
constexpr int64_t kTurnedTogether = int64_t(1) << 16, kLeastSide = 8;

// Copies elements of four or eight bytes whose rows are the columns of what is read. False where they are not.
template <class T>
bool copyTurned(const Loop<2>& loop, const T* in, T* out) {
  const int last = loop.rank - 1;
  int d = last - 1;
  while (d >= 0 && loop.stride[1][d] != 1) --d;
  if (d < 0 || loop.stride[0][last] != 1 || loop.stride[1][last] < 2) return false;
  const int64_t rows = loop.shape[last], columns = loop.shape[d], inRow = loop.stride[1][last], outRow = loop.stride[0][d];
  if (rows < kLeastSide || columns < kLeastSide) return false;
  Loop<2> outer;
  for (int k = 0; k < last; ++k) {
    if (k != d) outer.push(loop.shape[k], {loop.stride[0][k], loop.stride[1][k]});
  }
  // Whole lines of what is read, as far as there are several.
  constexpr int64_t kLine = 64 / sizeof(T);
  const int64_t together = (kTurnedTogether / rows + 1 + kLine - 1) / kLine * kLine,
                parts = (columns + together - 1) / together;
  const auto turn = floatKernels<Bits<T>>(kernels()).turn;
  const int64_t wide = columns < together ? columns : together;
  parallelRanges(outer.size * parts, kElementGrain / (rows * wide) + 1, [&](int64_t begin, int64_t end) {
    // The matrices of the range one after another; of one that is cut, its parts.
    for (int64_t i = begin; i < end;) {
      const int64_t j = i % parts * together, width = columns - j < together ? columns - j : together;
      const int64_t until = parts == 1 ? end : i + 1;
      outer.forRows(i / parts, (until - 1) / parts + 1, [&](const int64_t (&offset)[2], int64_t n) {
        for (int64_t k = 0; k < n; ++k) {
          const T* const from = in + offset[1] + k * outer.rowStride(1) + j;
          T* const to = out + offset[0] + k * outer.rowStride(0) + j * outRow;
          turn(rows, width, reinterpret_cast<const Bits<T>*>(from), inRow, reinterpret_cast<Bits<T>*>(to), outRow);
        }
      });
      i = until;
    }
  });
  return true;
}

}  // namespace

bool copyConvert(const View& in, const View& out) {
  Loop<2> loop;
  if (!makeLoop<2>(out, {&in}, loop)) return false;
  withType(in.dtype, [&](auto from) {
    withType(out.dtype, [&](auto to) {
      using From = typename decltype(from)::Of;
      using To = typename decltype(to)::Of;
      const From* source = in.as<From>();
      To* target = out.as<To>();
      if constexpr (std::is_same_v<To, From> && sizeof(To) >= 4) {
        if (loop.rank >= 2 && copyTurned(loop, source, target)) return;
      }
      loop.parallelRows([&](const int64_t (&offset)[2], int64_t n) {
        copyRow(n, source + offset[1], loop.rowStride(1), target + offset[0], loop.rowStride(0));
      });
    });
  });
  return true;
}

void fillWith(const View& out, double value) {
  View one;
  one.dtype = DType::kFloat64;
  one.data = reinterpret_cast<char*>(&value);
  copyConvert(one, out);
}

Contiguous::Contiguous(const View& view)
    : view_(view), copied_(!view.contiguous()),
      scratch_(copied_ ? static_cast<size_t>(view.size()) * sizeOf(view.dtype) : 0) {
  if (!copied_ || scratch_.failed()) return;
  view_.data = scratch_.as<char>();
  view_.setContiguousStrides();
  copyConvert(view, view_);
}

}  // namespace latent
