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
  for (int64_t i = 0; i < n; ++i) out[i * outStep] = Convert<To, From>::of(in[i * inStep]);
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
