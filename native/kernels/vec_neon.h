// NEON (AArch64's Advanced SIMD): four floats or two doubles. Every AArch64 CPU has it.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace latent::LATENT_ISA {
namespace {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using Element = float;
  using Mask = uint32x4_t;
  static constexpr int kLanes = 4;
  static constexpr int kRegisters = 32;
  static constexpr bool kMasks = false;
  float32x4_t v;

  static Vec set(float x) { return {vdupq_n_f32(x)}; }
  static Vec zero() { return {vdupq_n_f32(0)}; }
  static Vec load(const float* p) { return {vld1q_f32(p)}; }
  // No masked loads or stores: lane by lane, so that memory past the n-th element stays untouched.
  static Vec loadPart(const float* p, int n) {
    float32x4_t r = vdupq_n_f32(0);
    if (n > 0) r = vld1q_lane_f32(p, r, 0);
    if (n > 1) r = vld1q_lane_f32(p + 1, r, 1);
    if (n > 2) r = vld1q_lane_f32(p + 2, r, 2);
    if (n > 3) r = vld1q_lane_f32(p + 3, r, 3);
    return {r};
  }
  struct Inside {
    int from, to;
  };
  static Inside inside(int64_t from, int64_t to) { return {laneOf(from), laneOf(to)}; }
  static int laneOf(int64_t i) { return i < 0 ? 0 : (i < kLanes ? static_cast<int>(i) : kLanes); }
  static Vec loadInside(const float* p, Inside lanes) {
    if (lanes.from == 0 && lanes.to == kLanes) return load(p);
    float row[kLanes] = {};
    for (int i = lanes.from; i < lanes.to; ++i) row[i] = p[i];
    return load(row);
  }
  void store(float* p) const { vst1q_f32(p, v); }
  float lane0() const { return vgetq_lane_f32(v, 0); }
  // The lanes from kFrom on, a power of two below kLanes, at the front; what follows them is unspecified.
  template <int kFrom>
  Vec from() const {
    return {vextq_f32(v, v, kFrom)};
  }
  void stream(float* p) const { store(p); }
  static void endStreams() {}
  void storePart(float* p, int n) const {
    if (n > 0) vst1q_lane_f32(p, v, 0);
    if (n > 1) vst1q_lane_f32(p + 1, v, 1);
    if (n > 2) vst1q_lane_f32(p + 2, v, 2);
    if (n > 3) vst1q_lane_f32(p + 3, v, 3);
  }

  static Vec first(const float* p) { return {vld1q_lane_f32(p, vdupq_n_f32(0), 0)}; }
  static void transpose(Vec (&r)[4]) {
    const float32x4x2_t a = vtrnq_f32(r[0].v, r[1].v), b = vtrnq_f32(r[2].v, r[3].v);
    r[0].v = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    r[1].v = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    r[2].v = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    r[3].v = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
  }
  static void sumFour(Vec a, Vec b, Vec c, Vec d, float* out) {
    vst1q_f32(out, vpaddq_f32(vpaddq_f32(a.v, b.v), vpaddq_f32(c.v, d.v)));
  }

  friend Vec operator+(Vec a, Vec b) { return {vaddq_f32(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {vsubq_f32(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {vmulq_f32(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {vdivq_f32(a.v, b.v)}; }
  friend Vec operator-(Vec a) { return {vnegq_f32(a.v)}; }
  friend Mask operator<(Vec a, Vec b) { return vcltq_f32(a.v, b.v); }
  friend Mask operator<=(Vec a, Vec b) { return vcleq_f32(a.v, b.v); }
  friend Mask operator==(Vec a, Vec b) { return vceqq_f32(a.v, b.v); }
  friend Mask isNan(Vec a) { return vmvnq_u32(vceqq_f32(a.v, a.v)); }

  friend Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
  // By comparison: fmin and fmax make NaN of one NaN operand, and fminnm and fmaxnm drop it, whichever it is.
  friend Vec min(Vec a, Vec b) { return {vbslq_f32(vcltq_f32(a.v, b.v), a.v, b.v)}; }
  friend Vec max(Vec a, Vec b) { return {vbslq_f32(vcgtq_f32(a.v, b.v), a.v, b.v)}; }
  friend Vec abs(Vec a) { return {vabsq_f32(a.v)}; }
  friend Vec sqrt(Vec a) { return {vsqrtq_f32(a.v)}; }
  friend Vec floor(Vec a) { return {vrndmq_f32(a.v)}; }
  friend Vec ceil(Vec a) { return {vrndpq_f32(a.v)}; }
  friend Vec roundToEven(Vec a) { return {vrndnq_f32(a.v)}; }
  friend Vec select(Mask m, Vec a, Vec b) { return {vbslq_f32(m, a.v, b.v)}; }

  friend Vec evens(Vec a, Vec b) { return {vuzp1q_f32(a.v, b.v)}; }
  friend Vec odds(Vec a, Vec b) { return {vuzp2q_f32(a.v, b.v)}; }
  friend Vec interleavedLow(Vec a, Vec b) { return {vzip1q_f32(a.v, b.v)}; }
  friend Vec interleavedHigh(Vec a, Vec b) { return {vzip2q_f32(a.v, b.v)}; }
  friend Vec withSignOf(Vec a, Vec x) { return {vbslq_f32(vdupq_n_u32(1u << 31), x.v, a.v)}; }

  static Vec power2(Vec n) {
    return {vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n.v), vdupq_n_s32(127)), 23))};
  }
  friend Vec exponentOf(Vec x) {
    const int32x4_t e = vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_f32(x.v), 23));
    return {vcvtq_f32_s32(vsubq_s32(e, vdupq_n_s32(127)))};
  }
  friend Vec mantissaOf(Vec x) {
    const uint32x4_t low = vandq_u32(vreinterpretq_u32_f32(x.v), vdupq_n_u32(0x007fffff));
    return {vreinterpretq_f32_u32(vorrq_u32(low, vdupq_n_u32(0x3f800000)))};
  }
};

template <>
struct Vec<double> {
  using Element = double;
  using Mask = uint64x2_t;
  static constexpr int kLanes = 2;
  static constexpr int kRegisters = 32;
  static constexpr bool kMasks = false;
  float64x2_t v;

  static Vec set(double x) { return {vdupq_n_f64(x)}; }
  static Vec zero() { return {vdupq_n_f64(0)}; }
  static Vec load(const double* p) { return {vld1q_f64(p)}; }
  static Vec loadPart(const double* p, int n) {
    float64x2_t r = vdupq_n_f64(0);
    if (n > 0) r = vld1q_lane_f64(p, r, 0);
    if (n > 1) r = vld1q_lane_f64(p + 1, r, 1);
    return {r};
  }
  struct Inside {
    int from, to;
  };
  static Inside inside(int64_t from, int64_t to) { return {laneOf(from), laneOf(to)}; }
  static int laneOf(int64_t i) { return i < 0 ? 0 : (i < kLanes ? static_cast<int>(i) : kLanes); }
  static Vec loadInside(const double* p, Inside lanes) {
    if (lanes.from == 0 && lanes.to == kLanes) return load(p);
    double row[kLanes] = {};
    for (int i = lanes.from; i < lanes.to; ++i) row[i] = p[i];
    return load(row);
  }
  void store(double* p) const { vst1q_f64(p, v); }
  double lane0() const { return vgetq_lane_f64(v, 0); }
  template <int kFrom>
  Vec from() const {
    return {vextq_f64(v, v, kFrom)};
  }
  void stream(double* p) const { store(p); }
  static void endStreams() {}
  void storePart(double* p, int n) const {
    if (n > 0) vst1q_lane_f64(p, v, 0);
    if (n > 1) vst1q_lane_f64(p + 1, v, 1);
  }

  static Vec first(const double* p) { return {vld1q_lane_f64(p, vdupq_n_f64(0), 0)}; }
  static void transpose(Vec (&r)[2]) {
    const float64x2_t a = vtrn1q_f64(r[0].v, r[1].v), b = vtrn2q_f64(r[0].v, r[1].v);
    r[0].v = a;
    r[1].v = b;
  }
  static void sumFour(Vec a, Vec b, Vec c, Vec d, double* out) {
    vst1q_f64(out, vpaddq_f64(a.v, b.v));
    vst1q_f64(out + 2, vpaddq_f64(c.v, d.v));
  }

  friend Vec operator+(Vec a, Vec b) { return {vaddq_f64(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {vsubq_f64(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {vmulq_f64(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {vdivq_f64(a.v, b.v)}; }
  friend Vec operator-(Vec a) { return {vnegq_f64(a.v)}; }
  friend Mask operator<(Vec a, Vec b) { return vcltq_f64(a.v, b.v); }
  friend Mask operator<=(Vec a, Vec b) { return vcleq_f64(a.v, b.v); }
  friend Mask operator==(Vec a, Vec b) { return vceqq_f64(a.v, b.v); }
  friend Mask isNan(Vec a) { return veorq_u64(vceqq_f64(a.v, a.v), vdupq_n_u64(~uint64_t(0))); }

  friend Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f64(c.v, a.v, b.v)}; }
  friend Vec min(Vec a, Vec b) { return {vbslq_f64(vcltq_f64(a.v, b.v), a.v, b.v)}; }
  friend Vec max(Vec a, Vec b) { return {vbslq_f64(vcgtq_f64(a.v, b.v), a.v, b.v)}; }
  friend Vec abs(Vec a) { return {vabsq_f64(a.v)}; }
  friend Vec sqrt(Vec a) { return {vsqrtq_f64(a.v)}; }
  friend Vec floor(Vec a) { return {vrndmq_f64(a.v)}; }
  friend Vec ceil(Vec a) { return {vrndpq_f64(a.v)}; }
  friend Vec roundToEven(Vec a) { return {vrndnq_f64(a.v)}; }
  friend Vec select(Mask m, Vec a, Vec b) { return {vbslq_f64(m, a.v, b.v)}; }

  friend Vec evens(Vec a, Vec b) { return {vuzp1q_f64(a.v, b.v)}; }
  friend Vec odds(Vec a, Vec b) { return {vuzp2q_f64(a.v, b.v)}; }
  friend Vec interleavedLow(Vec a, Vec b) { return {vzip1q_f64(a.v, b.v)}; }
  friend Vec interleavedHigh(Vec a, Vec b) { return {vzip2q_f64(a.v, b.v)}; }
  friend Vec withSignOf(Vec a, Vec x) { return {vbslq_f64(vdupq_n_u64(uint64_t(1) << 63), x.v, a.v)}; }

  static Vec power2(Vec n) {
    return {vreinterpretq_f64_s64(vshlq_n_s64(vaddq_s64(vcvtnq_s64_f64(n.v), vdupq_n_s64(1023)), 52))};
  }
  friend Vec exponentOf(Vec x) {
    const int64x2_t e = vreinterpretq_s64_u64(vshrq_n_u64(vreinterpretq_u64_f64(x.v), 52));
    return {vcvtq_f64_s64(vsubq_s64(e, vdupq_n_s64(1023)))};
  }
  friend Vec mantissaOf(Vec x) {
    const uint64x2_t low = vandq_u64(vreinterpretq_u64_f64(x.v), vdupq_n_u64(0x000fffffffffffff));
    return {vreinterpretq_f64_u64(vorrq_u64(low, vdupq_n_u64(0x3ff0000000000000)))};
  }
};

// The halves of a vector as doubles, and back.
inline void widen(Vec<float> x, Vec<double>& low, Vec<double>& high) {
  low = {vcvt_f64_f32(vget_low_f32(x.v))};
  high = {vcvt_high_f64_f32(x.v)};
}
inline Vec<float> narrow(Vec<double> low, Vec<double> high) { return {vcvt_high_f32_f64(vcvt_f32_f64(low.v), high.v)}; }

inline Vec<double> addProducts(Vec<double> acc, Vec<double> a, Vec<double> b) { return fma(a, b, acc); }
inline Vec<double> addProducts(Vec<double> acc, Vec<float> a, Vec<float> b) {
  const float64x2_t low = vfmaq_f64(acc.v, vcvt_f64_f32(vget_low_f32(a.v)), vcvt_f64_f32(vget_low_f32(b.v)));
  return {vfmaq_f64(low, vcvt_high_f64_f32(a.v), vcvt_high_f64_f32(b.v))};
}

}  // namespace
}  // namespace latent::LATENT_ISA
