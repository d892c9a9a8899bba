// Choosing among elements: by a condition, by bounds and the gradient of that, and whether all lie in a range.
#include <algorithm>
#include <atomic>
#include <type_traits>

#include "../cpu.h"
#include "../tensor/dispatch.h"
#include "../tensor/gathered.h"
#include "../tensor/move.h"
#include "../tensor/output.h"
#include "../tensor/strided.h"
#include "ops.h"

namespace latent {
namespace {

// A row of a where the condition holds, else of b, each of step 1 or 0.
template <class T>
using WhereRow = void (*)(int64_t n, const uint8_t* condition, const T* a, int64_t aStep, const T* b, int64_t bStep,
                          T* out);

// Without a branch, and with unsigned integers alone: so the compiler makes vectors of it.
template <class T, bool kSteps, bool kOtherSteps>
void choose(int64_t n, const uint8_t* condition, const T* a, const T* b, T* out) {
  const T left = *a, right = *b;
  for (int64_t i = 0; i < n; ++i) {
    const T mask = static_cast<T>(-static_cast<T>(condition[i] != 0));
    out[i] = static_cast<T>(((kSteps ? a[i] : left) & mask) | ((kOtherSteps ? b[i] : right) & ~mask));
  }
}
template <class T>
void whereIntegers(int64_t n, const uint8_t* condition, const T* a, int64_t aStep, const T* b, int64_t bStep, T* out) {
  if (aStep != 0) return (bStep != 0 ? choose<T, true, true> : choose<T, true, false>)(n, condition, a, b, out);
  return (bStep != 0 ? choose<T, false, true> : choose<T, false, false>)(n, condition, a, b, out);
}

template <class T>
void whereRow(WhereRow<T> kernel, int64_t n, const uint8_t* condition, int64_t step, const T* a, int64_t aStep, const T* b,
              int64_t bStep, T* out) {
  const bool aPlain = aStep == 0 || aStep == 1, bPlain = bStep == 0 || bStep == 1;
  if (step == 1 && aPlain && bPlain) return kernel(n, condition, a, aStep, b, bStep, out);
  uint8_t conditions[kRowBuffer];
  T left[kRowBuffer], right[kRowBuffer];
  for (int64_t i = 0; i < n; i += kRowBuffer) {
    const int64_t m = n - i < kRowBuffer ? n - i : kRowBuffer;
    const T* p = aPlain ? a + i * aStep : gathered(a + i * aStep, aStep, m, left);
    const T* q = bPlain ? b + i * bStep : gathered(b + i * bStep, bStep, m, right);
    kernel(m, gathered(condition + i * step, step, m, conditions), p, aPlain ? aStep : 1, q, bPlain ? bStep : 1, out + i);
  }
}

Status runWhere(Call& call) {
  const View &c = call.in[0], &a = call.in[1], &b = call.in[2], &out = call.out;
  if (c.dtype != DType::kBool || a.dtype != out.dtype || b.dtype != out.dtype || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  Loop<4> loop;
  if (!makeLoop<4>(out, {&c, &a, &b}, loop)) return LATENT_BROKEN;
  withType(out.dtype, [&](auto type) {
    using Element = typename decltype(type)::Of;
    using T = std::conditional_t<std::is_same_v<Element, Bool>, uint8_t, Element>;
    const int64_t cs = loop.rowStride(1), as = loop.rowStride(2), bs = loop.rowStride(3);
    const auto row = [&](WhereRow<T> kernel, const int64_t (&o)[4], int64_t n, T* to) {
      whereRow(kernel, n, c.as<uint8_t>() + o[1], cs, a.as<T>() + o[2], as, b.as<T>() + o[3], bs, to);
    };
    if constexpr (std::is_floating_point_v<T>) {
      const auto kernel = floatKernels<T>(kernels()).where;
      Output<T>(out, {&c, &a, &b}).writeLoop(loop, [&](const int64_t (&o)[4], int64_t n, T* to) { row(kernel, o, n, to); });
    } else {
      loop.parallelRows([&](const int64_t (&o)[4], int64_t n) { row(whereIntegers<T>, o, n, out.as<T>() + o[0]); });
    }
  });
  return Status::kOk;
}

// reals: low, high.
Status runClip(Call& call) {
  const View &x = call.in[0], &out = call.out;
  if (x.dtype != out.dtype || !x.sameShape(out) || !out.contiguous()) return LATENT_BROKEN;
  Loop<2> loop;
  if (!makeLoop<2>(out, {&x}, loop)) return LATENT_BROKEN;
  const double low = call.reals[0], high = call.reals[1];
  withType(x.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    if constexpr (std::is_floating_point_v<T>) {
      const auto kernel = floatKernels<T>(kernels()).clip;
      const int64_t step = loop.rowStride(1);
      Output<T>(out, {&x}).writeLoop(loop, [&](const int64_t (&o)[2], int64_t n, T* to) {
        T local[kRowBuffer];
        for (int64_t i = 0; i < n; i += kRowBuffer) {
          const int64_t m = n - i < kRowBuffer ? n - i : kRowBuffer;
          kernel(m, gathered(x.as<T>() + o[1] + i * step, step, m, local), static_cast<T>(low), static_cast<T>(high),
                 to + i);
        }
      });
    } else if constexpr (!std::is_same_v<T, Bool>) {
      const T least = saturate<T>(low), most = saturate<T>(high);
      loop.parallelRows([&](const int64_t (&o)[2], int64_t n) {
        const auto bounded = [&, from = x.as<T>() + o[1], to = out.as<T>() + o[0]](int64_t step) {
          for (int64_t i = 0; i < n; ++i) to[i] = std::min(std::max(from[i * step], least), most);
        };
        if (loop.rowStride(1) == 1) bounded(1);
        else bounded(loop.rowStride(1));
      });
    }
  });
  return x.dtype == DType::kBool ? LATENT_BROKEN : Status::kOk;
}

// in: g and x, of one shape. reals: low, high. out: g where x lies between both or is NaN, else 0.
Status runClipGradient(Call& call) {
  const View &g = call.in[0], &x = call.in[1], &out = call.out;
  if (!isFloat(out.dtype) || g.dtype != out.dtype || x.dtype != out.dtype || !out.contiguous()) return LATENT_BROKEN;
  if (!g.sameShape(out) || !x.sameShape(out)) return LATENT_BROKEN;
  const Contiguous gradient(g), from(x);
  if (gradient.failed() || from.failed()) return Status::kOutOfMemory;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const Output<T> output(out, {&g, &x});
    const T low = static_cast<T>(call.reals[0]), high = static_cast<T>(call.reals[1]);
    const T *p = gradient.as<T>(), *q = from.as<T>();
    parallelRanges(out.size(), kElementGrain, [&](int64_t begin, int64_t end) {
      output.write(begin, end - begin, [&](int64_t i, int64_t count, T* to) {
        floatKernels<T>(kernels()).clipGradient(count, p + begin + i, q + begin + i, low, high, to);
      });
    });
  });
  return Status::kOk;
}

// The elements themselves, all from reals[0] to reals[1]; kDomain where one is not. NaN is let through.
Status runInRange(Call& call) {
  const View &x = call.in[0], &out = call.out;
  if (!isFloat(x.dtype) || x.dtype != out.dtype || !x.sameShape(out) || !out.contiguous()) return LATENT_BROKEN;
  Loop<2> loop;
  if (!makeLoop<2>(out, {&x}, loop)) return LATENT_BROKEN;
  std::atomic<bool> outside{false};
  withFloat(x.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const T low = static_cast<T>(call.reals[0]), high = static_cast<T>(call.reals[1]);
    loop.parallelRows([&](const int64_t (&o)[2], int64_t n) {
      // An integer as wide as T, so that the compiler makes vectors of the loop.
      std::conditional_t<sizeof(T) == 8, int64_t, int32_t> found = 0;
      const auto look = [&, from = x.as<T>() + o[1], to = out.as<T>() + o[0]](int64_t step) {
        for (int64_t i = 0; i < n; ++i) {
          const T v = from[i * step];
          found |= (v < low) | (v > high);
          to[i] = v;
        }
      };
      if (loop.rowStride(1) == 1) look(1);
      else look(loop.rowStride(1));
      if (found != 0) outside.store(true, std::memory_order_relaxed);
    });
  });
  return outside ? Status::kDomain : Status::kOk;
}

const OpEntry kEntries[] = {
    {"where", OpKind::kMap, 3, 3, runWhere},
    {"clip", OpKind::kMap, 1, 1, runClip},
    {"clipGradient", OpKind::kMap, 2, 2, runClipGradient},
    {"inRange", OpKind::kMap, 1, 1, runInRange},
};

}  // namespace

const OpList kSelectOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
