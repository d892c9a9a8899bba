// The portable instruction set: vectors of one element, in plain C++. Runs on any CPU; it is also the plainest
// reading of what the wider types do.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace latent::LATENT_ISA {
namespace {

template <class T>
struct Bits;
template <>
struct Bits<float> {
  using Int = int32_t;
  static constexpr int kMantissa = 23, kBias = 127;
};
template <>
struct Bits<double> {
  using Int = int64_t;
  static constexpr int kMantissa = 52, kBias = 1023;
};

template <class T>
struct Vec {
  using Element = T;
  using Mask = bool;
  static constexpr int kLanes = 1;
  static constexpr int kRegisters = 16;
  static constexpr bool kMasks = false;
  T v;

  static Vec set(T x) { return {x}; }
  static Vec zero() { return {T(0)}; }
  static Vec load(const T* p) { return {*p}; }
  // The first n elements, 0 <= n <= kLanes; the others are 0, and are not read.
  static Vec loadPart(const T* p, int n) { return {n > 0 ? *p : T(0)}; }
  // The lanes in [from, to), which may lie outside of the vector.
  using Inside = bool;
  static Inside inside(int64_t from, int64_t to) { return from <= 0 && to > 0; }
  // Those, and zeros; the others are not read.
  static Vec loadInside(const T* p, Inside lanes) { return {lanes ? *p : T(0)}; }
  void store(T* p) const { *p = v; }
  T lane0() const { return v; }
  void stream(T* p) const { store(p); }
  static void endStreams() {}
  void storePart(T* p, int n) const {
    if (n > 0) *p = v;
  }

  // Lane 0 holds *p, the others 0.
  static Vec first(const T* p) { return {*p}; }
  // Lane j of row i goes to lane i of row j.
  static void transpose(Vec (&)[1]) {}
  // The sums over the lanes of four vectors.
  static void sumFour(Vec a, Vec b, Vec c, Vec d, T* out) {
    out[0] = a.v;
    out[1] = b.v;
    out[2] = c.v;
    out[3] = d.v;
  }

  friend Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
  friend Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
  friend Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
  friend Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
  friend Vec operator-(Vec a) { return {-a.v}; }
  friend Mask operator<(Vec a, Vec b) { return a.v < b.v; }
  friend Mask operator<=(Vec a, Vec b) { return a.v <= b.v; }
  friend Mask operator==(Vec a, Vec b) { return a.v == b.v; }
  friend Mask isNan(Vec a) { return a.v != a.v; }

  // a·b + c, rounded once where the set has the instruction; this one has not.
  friend Vec fma(Vec a, Vec b, Vec c) { return {a.v * b.v + c.v}; }
  // The second operand when either is NaN, as x86 does.
  friend Vec min(Vec a, Vec b) { return {a.v < b.v ? a.v : b.v}; }
  friend Vec max(Vec a, Vec b) { return {a.v > b.v ? a.v : b.v}; }
  friend Vec abs(Vec a) { return {a.v < 0 ? -a.v : (a.v == 0 ? T(0) : a.v)}; }
  friend Vec sqrt(Vec a) { return {sqrtOf(a.v)}; }
  friend Vec floor(Vec a) { return {floorOf(a.v)}; }
  friend Vec ceil(Vec a) { return {ceilOf(a.v)}; }
  friend Vec roundToEven(Vec a) { return {nearestOf(a.v)}; }
  friend Vec select(Mask m, Vec a, Vec b) { return m ? a : b; }

  friend Vec evens(Vec a, Vec) { return a; }
  friend Vec odds(Vec, Vec b) { return b; }
  friend Vec interleavedLow(Vec a, Vec) { return a; }
  friend Vec interleavedHigh(Vec, Vec b) { return b; }
  // a with the sign of x, for a whose sign bit is clear.
  friend Vec withSignOf(Vec a, Vec x) { return {__builtin_signbit(x.v) ? -a.v : a.v}; }

  // a·b - p exactly, for p within an ulp or two of a·b, by the products of halves of the digits (Dekker).
  friend Vec productError(Vec a, Vec b, Vec p) {
    const T splitter = static_cast<T>((int64_t(1) << (Bits<T>::kMantissa + 2) / 2) + 1);
    const T aFar = splitter * a.v, bFar = splitter * b.v;
    const T aHigh = aFar - (aFar - a.v), aLow = a.v - aHigh;
    const T bHigh = bFar - (bFar - b.v), bLow = b.v - bHigh;
    return {((aHigh * bHigh - p.v) + aHigh * bLow + aLow * bHigh) + aLow * bLow};
  }

  // 2^n for an integral n with a normal result; anything for NaN, which no integer holds.
  static Vec power2(Vec n) {
    using Int = typename Bits<T>::Int;
    const Int bits = n.v == n.v ? (static_cast<Int>(n.v) + Bits<T>::kBias) << Bits<T>::kMantissa : 0;
    Vec r;
    std::memcpy(&r.v, &bits, sizeof bits);
    return r;
  }
  // x = mantissa · 2^exponent with mantissa in [1, 2), for normal x > 0.
  friend Vec exponentOf(Vec x) {
    typename Bits<T>::Int bits;
    std::memcpy(&bits, &x.v, sizeof bits);
    return {static_cast<T>((bits >> Bits<T>::kMantissa) - Bits<T>::kBias)};
  }
  friend Vec mantissaOf(Vec x) {
    using Int = typename Bits<T>::Int;
    Int bits;
    std::memcpy(&bits, &x.v, sizeof bits);
    const Int low = (Int(1) << Bits<T>::kMantissa) - 1;
    bits = (bits & low) | (Int(Bits<T>::kBias) << Bits<T>::kMantissa);
    Vec r;
    std::memcpy(&r.v, &bits, sizeof bits);
    return r;
  }

 private:
  static float floorOf(float x) { return ::floorf(x); }
  static double floorOf(double x) { return ::floor(x); }
  static float ceilOf(float x) { return ::ceilf(x); }
  static double ceilOf(double x) { return ::ceil(x); }
  // In the rounding mode that every thread has, to nearest and to even.
  static float nearestOf(float x) { return ::nearbyintf(x); }
  static double nearestOf(double x) { return ::nearbyint(x); }
  static float sqrtOf(float x) { return ::sqrtf(x); }
  static double sqrtOf(double x) { return ::sqrt(x); }
};

// acc + Σ a·b over the lanes that fall on each of acc's, the products and sums in double.
template <class T>
inline Vec<double> addProducts(Vec<double> acc, Vec<T> a, Vec<T> b) {
  return {acc.v + static_cast<double>(a.v) * static_cast<double>(b.v)};
}

}  // namespace
}  // namespace latent::LATENT_ISA
