// out[i] = f(a[i], b[i]), with either side one value for all.
#include "parts.h"
#include "power.h"

namespace latent::LATENT_ISA {
namespace {

// Calls step(i, n, va, vb) with the operands' vectors, the broadcast one loaded once.
template <class V, Broadcast kBroadcast, class Step>
inline void zipVectors(int64_t count, const typename V::Element* a, const typename V::Element* b, Step step) {
  if (count == 0) return;
  const V a0 = V::set(a[0]), b0 = V::set(b[0]);
  forEachVector<V>(count, [&](int64_t i, int n) {
    step(i, n, kBroadcast == Broadcast::kLeft ? a0 : loadUpTo<V>(a + i, n),
         kBroadcast == Broadcast::kRight ? b0 : loadUpTo<V>(b + i, n));
  });
}

template <class V, Binary kOp>
inline V applyBinary(V a, V b) {
  switch (kOp) {
    case Binary::kAdd: return a + b;
    case Binary::kSub: return a - b;
    case Binary::kMul: return a * b;
    case Binary::kDiv: return a / b;
    case Binary::kPow: return powOf(a, b);
    // The vector instructions answer b when either is NaN; a NaN on the left has to be kept by hand.
    case Binary::kMaximum: return select(isNan(a), a, max(a, b));
    case Binary::kMinimum: return select(isNan(a), a, min(a, b));
    case Binary::kCount: break;
  }
  return a;
}

template <class T, Binary kOp, Broadcast kBroadcast>
void binary(int64_t count, const T* a, const T* b, T* out) {
  using V = Vec<T>;
  zipVectors<V, kBroadcast>(count, a, b,
                            [&](int64_t i, int n, V x, V y) { storeUpTo(applyBinary<V, kOp>(x, y), out + i, n); });
}

// Exponents that one or two roundings do for.
template <class T>
void powByOne(int64_t count, const T* a, const T* b, T* out) {
  using V = Vec<T>;
  const V one = V::set(1.0);
  const auto map = [&](auto f) {
    forEachVector<V>(count, [&](int64_t i, int n) { storeUpTo(f(loadUpTo<V>(a + i, n)), out + i, n); });
  };
  if (count == 0) return;
  if (b[0] == T(2)) return map([](V x) { return x * x; });
  if (b[0] == T(3)) return map([](V x) { return x * x * x; });
  if (b[0] == T(-1)) return map([&](V x) { return one / x; });
  if (b[0] == T(0.5)) {
    // Unlike a root, a power of -0 is 0 and one of -infinity infinite.
    const V infinity = V::set(MathOf<V>::kInfinity);
    return map([&](V x) { return select(x == -infinity, infinity, sqrt(x + V::zero())); });
  }
  binary<T, Binary::kPow, Broadcast::kRight>(count, a, b, out);
}

template <Compare kOp, class T>
inline bool holds(T a, T b) {
  switch (kOp) {
    case Compare::kEqual: return a == b;
    case Compare::kNotEqual: return a != b;
    case Compare::kLess: return a < b;
    case Compare::kLessEqual: return a <= b;
    case Compare::kGreater: return a > b;
    case Compare::kGreaterEqual: return a >= b;
    case Compare::kCount: break;
  }
  return false;
}

// Left to the compiler's vectoriser: bytes out of floats need no more than it does.
template <class T, Compare kOp, Broadcast kBroadcast>
void compare(int64_t count, const T* a, const T* b, uint8_t* out) {
  constexpr bool left = kBroadcast == Broadcast::kLeft, right = kBroadcast == Broadcast::kRight;
  for (int64_t i = 0; i < count; ++i) out[i] = holds<kOp>(a[left ? 0 : i], b[right ? 0 : i]);
}

template <class T, bool kSteps, bool kOtherSteps>
void choose(int64_t count, const uint8_t* condition, const T* a, const T* b, T* out) {
  const T left = *a, right = *b;
  for (int64_t i = 0; i < count; ++i) out[i] = condition[i] ? (kSteps ? a[i] : left) : (kOtherSteps ? b[i] : right);
}

template <class T>
void where(int64_t count, const uint8_t* condition, const T* a, int64_t aStep, const T* b, int64_t bStep, T* out) {
  if (count == 0) return;
  if (aStep != 0) return (bStep != 0 ? choose<T, true, true> : choose<T, true, false>)(count, condition, a, b, out);
  return (bStep != 0 ? choose<T, false, true> : choose<T, false, false>)(count, condition, a, b, out);
}

template <class T, int kOp>
struct FillBinary {
  static void into(FloatKernels<T>& k) {
    constexpr Binary op = static_cast<Binary>(kOp);
    k.binary[kOp][static_cast<int>(Broadcast::kNone)] = binary<T, op, Broadcast::kNone>;
    k.binary[kOp][static_cast<int>(Broadcast::kLeft)] = binary<T, op, Broadcast::kLeft>;
    k.binary[kOp][static_cast<int>(Broadcast::kRight)] = binary<T, op, Broadcast::kRight>;
    FillBinary<T, kOp + 1>::into(k);
  }
};
template <class T>
struct FillBinary<T, static_cast<int>(Binary::kCount)> {
  static void into(FloatKernels<T>&) {}
};

template <class T, int kOp>
struct FillCompare {
  static void into(FloatKernels<T>& k) {
    constexpr Compare op = static_cast<Compare>(kOp);
    k.compare[kOp][static_cast<int>(Broadcast::kNone)] = compare<T, op, Broadcast::kNone>;
    k.compare[kOp][static_cast<int>(Broadcast::kLeft)] = compare<T, op, Broadcast::kLeft>;
    k.compare[kOp][static_cast<int>(Broadcast::kRight)] = compare<T, op, Broadcast::kRight>;
    FillCompare<T, kOp + 1>::into(k);
  }
};
template <class T>
struct FillCompare<T, static_cast<int>(Compare::kCount)> {
  static void into(FloatKernels<T>&) {}
};

template <class T>
void fill(FloatKernels<T>& k) {
  FillBinary<T, 0>::into(k);
  k.binary[static_cast<int>(Binary::kPow)][static_cast<int>(Broadcast::kRight)] = powByOne<T>;
  FillCompare<T, 0>::into(k);
  k.where = where<T>;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addBinary(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
