// AVX2 with FMA: eight floats or four doubles.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace latent::LATENT_ISA {
namespace {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using Element = float;
  using Mask = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kRegisters = 16;
  static constexpr bool kMasks = false;
  __m256 v;

  static Vec set(float x) { return {_mm256_set1_ps(x)}; }
  static Vec zero() { return {_mm256_setzero_ps()}; }
  static Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static Vec loadPart(const float* p, int n) { return {_mm256_maskload_ps(p, lanes(n))}; }
  using Inside = __m256i;
  static Inside inside(int64_t from, int64_t to) { return _mm256_andnot_si256(lanes(laneOf(from)), lanes(laneOf(to))); }
  static Vec loadInside(const float* p, Inside lanes) { return {_mm256_maskload_ps(p, lanes)}; }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  float lane0() const { return _mm256_cvtss_f32(v); }
  // The lanes from kFrom on, a power of two below kLanes, at the front; what follows them is unspecified.
  template <int kFrom>
  Vec from() const {
    if (kFrom == 4) return {_mm256_permute2f128_ps(v, v, 1)};
    return {_mm256_permute_ps(v, kFrom == 2 ? 0x0e : 0x01)};
  }
  // Past the caches; p is aligned to the vector.
  void stream(float* p) const { _mm256_stream_ps(p, v); }
  static void endStreams() { _mm_sfence(); }
  void storePart(float* p, int n) const { _mm256_maskstore_ps(p, lanes(n), v); }

  static Vec first(const float* p) { return {_mm256_zextps128_ps256(_mm_load_ss(p))}; }
  static void transpose(Vec (&r)[8]) {
    __m256 t[8];
    for (int g = 0; g < 8; g += 4) {
      const __m256 a = _mm256_unpacklo_ps(r[g].v, r[g + 1].v), b = _mm256_unpackhi_ps(r[g].v, r[g + 1].v);
      const __m256 c = _mm256_unpacklo_ps(r[g + 2].v, r[g + 3].v), d = _mm256_unpackhi_ps(r[g + 2].v, r[g + 3].v);
      t[g] = unpackLowPairs(a, c);
      t[g + 1] = unpackHighPairs(a, c);
      t[g + 2] = unpackLowPairs(b, d);
      t[g + 3] = unpackHighPairs(b, d);
    }
    for (int c = 0; c < 4; ++c) {
      r[c].v = _mm256_permute2f128_ps(t[c], t[4 + c], 0x20);
      r[c + 4].v = _mm256_permute2f128_ps(t[c], t[4 + c], 0x31);
    }
  }
  static void sumFour(Vec a, Vec b, Vec c, Vec d, float* out) {
    const __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(a.v, b.v), _mm256_unpackhi_ps(a.v, b.v));
    const __m256 cd = _mm256_add_ps(_mm256_unpacklo_ps(c.v, d.v), _mm256_unpackhi_ps(c.v, d.v));
    const __m256 all = _mm256_add_ps(unpackLowPairs(ab, cd), unpackHighPairs(ab, cd));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a) { return {_mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f))}; }
  friend Mask operator<(Vec a, Vec b) { return _mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ); }
  friend Mask operator<=(Vec a, Vec b) { return _mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ); }
  friend Mask operator==(Vec a, Vec b) { return _mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ); }
  friend Mask isNan(Vec a) { return _mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q); }

  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  friend Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
  friend Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
  friend Vec abs(Vec a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
  friend Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.v)}; }
  friend Vec floor(Vec a) { return {_mm256_floor_ps(a.v)}; }
  friend Vec ceil(Vec a) { return {_mm256_ceil_ps(a.v)}; }
  friend Vec roundToEven(Vec a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  friend Vec select(Mask m, Vec a, Vec b) { return {_mm256_blendv_ps(b.v, a.v, m)}; }

  friend Vec evens(Vec a, Vec b) { return acrossHalves(_mm256_shuffle_ps(a.v, b.v, 0x88)); }
  friend Vec odds(Vec a, Vec b) { return acrossHalves(_mm256_shuffle_ps(a.v, b.v, 0xdd)); }
  friend Vec interleavedLow(Vec a, Vec b) {
    return {_mm256_permute2f128_ps(_mm256_unpacklo_ps(a.v, b.v), _mm256_unpackhi_ps(a.v, b.v), 0x20)};
  }
  friend Vec interleavedHigh(Vec a, Vec b) {
    return {_mm256_permute2f128_ps(_mm256_unpacklo_ps(a.v, b.v), _mm256_unpackhi_ps(a.v, b.v), 0x31)};
  }

  static Vec power2(Vec n) {
    const __m256i bits = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127)), 23);
    return {_mm256_castsi256_ps(bits)};
  }
  // The first factor goes straight to x's exponent, the second is multiplied.
  friend Vec scaled(Vec x, Vec n) {
    const __m256i all = _mm256_cvtps_epi32(n.v), half = _mm256_srai_epi32(all, 1);
    const __m256i most = _mm256_add_epi32(_mm256_castps_si256(x.v), _mm256_slli_epi32(half, 23));
    const __m256i rest = _mm256_slli_epi32(_mm256_sub_epi32(all, half), 23);
    const __m256i factor = _mm256_add_epi32(rest, _mm256_castps_si256(_mm256_set1_ps(1.0f)));
    const __m256 stays = _mm256_cmp_ps(n.v, _mm256_set1_ps(kVanishing<float>), _CMP_NLT_UQ);
    return {_mm256_mul_ps(_mm256_castsi256_ps(most), _mm256_and_ps(_mm256_castsi256_ps(factor), stays))};
  }
  friend Vec withSignOf(Vec a, Vec x) { return {_mm256_or_ps(_mm256_and_ps(_mm256_set1_ps(-0.0f), x.v), a.v)}; }
  // The exponent is what the bits of x/0.75 would show.
  friend Vec fractionOf(Vec x, Vec& k) {
    const __m256 tiny = _mm256_cmp_ps(x.v, _mm256_set1_ps(1.17549435e-38f), _CMP_LT_OQ);
    const __m256i bits = _mm256_castps_si256(_mm256_blendv_ps(x.v, _mm256_mul_ps(x.v, _mm256_set1_ps(8388608.0f)), tiny));
    const __m256i e = _mm256_srai_epi32(_mm256_sub_epi32(bits, _mm256_castps_si256(_mm256_set1_ps(0.75f))), 23);
    const __m256 exponent = _mm256_sub_ps(_mm256_cvtepi32_ps(e), _mm256_and_ps(tiny, _mm256_set1_ps(23.0f)));
    k = logarithmAtEnds(x, {exponent});
    return {_mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(e, 23)))};
  }

 private:
  static Vec logarithmAtEnds(Vec x, Vec k) {
    const __m256 infinity = _mm256_set1_ps(__builtin_inff()), zero = _mm256_setzero_ps();
    const __m256 high = _mm256_blendv_ps(x.v, k.v, _mm256_cmp_ps(x.v, infinity, _CMP_LT_OQ));
    const __m256 low = _mm256_blendv_ps(high, _mm256_set1_ps(-__builtin_inff()), _mm256_cmp_ps(x.v, zero, _CMP_EQ_OQ));
    // All bits set are a NaN.
    return {_mm256_or_ps(low, _mm256_cmp_ps(x.v, zero, _CMP_LT_OQ))};
  }
  static int laneOf(int64_t i) { return i < 0 ? 0 : (i < kLanes ? static_cast<int>(i) : kLanes); }
  static __m256i lanes(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  // The second pair of the low half and the first of the high one, swapped.
  static Vec acrossHalves(__m256 x) { return {_mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(x), 0xd8))}; }
  static __m256 unpackLowPairs(__m256 a, __m256 b) {
    return _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(a), _mm256_castps_pd(b)));
  }
  static __m256 unpackHighPairs(__m256 a, __m256 b) {
    return _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(a), _mm256_castps_pd(b)));
  }
};

template <>
struct Vec<double> {
  using Element = double;
  using Mask = __m256d;
  static constexpr int kLanes = 4;
  static constexpr int kRegisters = 16;
  static constexpr bool kMasks = false;
  __m256d v;

  static Vec set(double x) { return {_mm256_set1_pd(x)}; }
  static Vec zero() { return {_mm256_setzero_pd()}; }
  static Vec load(const double* p) { return {_mm256_loadu_pd(p)}; }
  static Vec loadPart(const double* p, int n) { return {_mm256_maskload_pd(p, lanes(n))}; }
  using Inside = __m256i;
  static Inside inside(int64_t from, int64_t to) { return _mm256_andnot_si256(lanes(laneOf(from)), lanes(laneOf(to))); }
  static Vec loadInside(const double* p, Inside lanes) { return {_mm256_maskload_pd(p, lanes)}; }
  void store(double* p) const { _mm256_storeu_pd(p, v); }
  double lane0() const { return _mm256_cvtsd_f64(v); }
  template <int kFrom>
  Vec from() const {
    return {kFrom == 2 ? _mm256_permute2f128_pd(v, v, 1) : _mm256_permute_pd(v, 1)};
  }
  void stream(double* p) const { _mm256_stream_pd(p, v); }
  static void endStreams() { _mm_sfence(); }
  void storePart(double* p, int n) const { _mm256_maskstore_pd(p, lanes(n), v); }

  static Vec first(const double* p) { return {_mm256_zextpd128_pd256(_mm_load_sd(p))}; }
  static void transpose(Vec (&r)[4]) {
    const __m256d a = _mm256_unpacklo_pd(r[0].v, r[1].v), b = _mm256_unpackhi_pd(r[0].v, r[1].v);
    const __m256d c = _mm256_unpacklo_pd(r[2].v, r[3].v), d = _mm256_unpackhi_pd(r[2].v, r[3].v);
    r[0].v = _mm256_permute2f128_pd(a, c, 0x20);
    r[1].v = _mm256_permute2f128_pd(b, d, 0x20);
    r[2].v = _mm256_permute2f128_pd(a, c, 0x31);
    r[3].v = _mm256_permute2f128_pd(b, d, 0x31);
  }
  static void sumFour(Vec a, Vec b, Vec c, Vec d, double* out) {
    const __m256d ab = _mm256_add_pd(_mm256_unpacklo_pd(a.v, b.v), _mm256_unpackhi_pd(a.v, b.v));
    const __m256d cd = _mm256_add_pd(_mm256_unpacklo_pd(c.v, d.v), _mm256_unpackhi_pd(c.v, d.v));
    _mm256_storeu_pd(out, _mm256_add_pd(_mm256_permute2f128_pd(ab, cd, 0x20), _mm256_permute2f128_pd(ab, cd, 0x31)));
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm256_add_pd(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm256_sub_pd(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm256_mul_pd(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm256_div_pd(a.v, b.v)}; }
  friend Vec operator-(Vec a) { return {_mm256_xor_pd(a.v, _mm256_set1_pd(-0.0))}; }
  friend Mask operator<(Vec a, Vec b) { return _mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ); }
  friend Mask operator<=(Vec a, Vec b) { return _mm256_cmp_pd(a.v, b.v, _CMP_LE_OQ); }
  friend Mask operator==(Vec a, Vec b) { return _mm256_cmp_pd(a.v, b.v, _CMP_EQ_OQ); }
  friend Mask isNan(Vec a) { return _mm256_cmp_pd(a.v, a.v, _CMP_UNORD_Q); }

  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
  friend Vec min(Vec a, Vec b) { return {_mm256_min_pd(a.v, b.v)}; }
  friend Vec max(Vec a, Vec b) { return {_mm256_max_pd(a.v, b.v)}; }
  friend Vec abs(Vec a) { return {_mm256_andnot_pd(_mm256_set1_pd(-0.0), a.v)}; }
  friend Vec sqrt(Vec a) { return {_mm256_sqrt_pd(a.v)}; }
  friend Vec floor(Vec a) { return {_mm256_floor_pd(a.v)}; }
  friend Vec ceil(Vec a) { return {_mm256_ceil_pd(a.v)}; }
  friend Vec roundToEven(Vec a) { return {_mm256_round_pd(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  friend Vec select(Mask m, Vec a, Vec b) { return {_mm256_blendv_pd(b.v, a.v, m)}; }

  friend Vec evens(Vec a, Vec b) { return {_mm256_permute4x64_pd(_mm256_unpacklo_pd(a.v, b.v), 0xd8)}; }
  friend Vec odds(Vec a, Vec b) { return {_mm256_permute4x64_pd(_mm256_unpackhi_pd(a.v, b.v), 0xd8)}; }
  friend Vec interleavedLow(Vec a, Vec b) {
    return {_mm256_permute2f128_pd(_mm256_unpacklo_pd(a.v, b.v), _mm256_unpackhi_pd(a.v, b.v), 0x20)};
  }
  friend Vec interleavedHigh(Vec a, Vec b) {
    return {_mm256_permute2f128_pd(_mm256_unpacklo_pd(a.v, b.v), _mm256_unpackhi_pd(a.v, b.v), 0x31)};
  }

  // AVX2 converts no doubles to 64-bit integers: adding 2^52 + 2^51 leaves the integer in the low mantissa bits.
  static Vec power2(Vec n) {
    const __m256d shifted = _mm256_add_pd(n.v, _mm256_set1_pd(6755399441055744.0 + 1023.0));
    return {_mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(shifted), 52))};
  }
  friend Vec withSignOf(Vec a, Vec x) { return {_mm256_or_pd(_mm256_and_pd(_mm256_set1_pd(-0.0), x.v), a.v)}; }
  friend Vec fractionOf(Vec x, Vec& k) {
    const __m256d tiny = _mm256_cmp_pd(x.v, _mm256_set1_pd(2.2250738585072014e-308), _CMP_LT_OQ);
    const __m256i bits =
        _mm256_castpd_si256(_mm256_blendv_pd(x.v, _mm256_mul_pd(x.v, _mm256_set1_pd(4503599627370496.0)), tiny));
    // 1024 more than the exponent of x/0.75, so that none is negative, over twelve bits.
    const __m256i bias = _mm256_castpd_si256(_mm256_set1_pd(2.0));
    const __m256i quotient = _mm256_add_epi64(_mm256_sub_epi64(bits, _mm256_castpd_si256(_mm256_set1_pd(0.75))), bias);
    const __m256i e = _mm256_srli_epi64(quotient, 52);
    const __m256d shifted = _mm256_castsi256_pd(_mm256_or_si256(e, _mm256_set1_epi64x(0x4330000000000000)));
    const __m256d offset =
        _mm256_add_pd(_mm256_set1_pd(4503599627370496.0 + 1024.0), _mm256_and_pd(tiny, _mm256_set1_pd(52.0)));
    k = logarithmAtEnds(x, {_mm256_sub_pd(shifted, offset)});
    return {_mm256_castsi256_pd(_mm256_sub_epi64(_mm256_add_epi64(bits, bias), _mm256_slli_epi64(e, 52)))};
  }

 private:
  static Vec logarithmAtEnds(Vec x, Vec k) {
    const __m256d infinity = _mm256_set1_pd(__builtin_inf()), zero = _mm256_setzero_pd();
    const __m256d high = _mm256_blendv_pd(x.v, k.v, _mm256_cmp_pd(x.v, infinity, _CMP_LT_OQ));
    const __m256d low = _mm256_blendv_pd(high, _mm256_set1_pd(-__builtin_inf()), _mm256_cmp_pd(x.v, zero, _CMP_EQ_OQ));
    return {_mm256_or_pd(low, _mm256_cmp_pd(x.v, zero, _CMP_LT_OQ))};
  }
  static int laneOf(int64_t i) { return i < 0 ? 0 : (i < kLanes ? static_cast<int>(i) : kLanes); }
  static __m256i lanes(int n) { return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)); }
};

// The halves of a vector as doubles, and back.
inline void widen(Vec<float> x, Vec<double>& low, Vec<double>& high) {
  low = {_mm256_cvtps_pd(_mm256_castps256_ps128(x.v))};
  high = {_mm256_cvtps_pd(_mm256_extractf128_ps(x.v, 1))};
}
inline Vec<float> narrow(Vec<double> low, Vec<double> high) {
  return {_mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(low.v)), _mm256_cvtpd_ps(high.v), 1)};
}

inline Vec<double> addProducts(Vec<double> acc, Vec<double> a, Vec<double> b) { return fma(a, b, acc); }
inline Vec<double> addProducts(Vec<double> acc, Vec<float> a, Vec<float> b) {
  const __m256d low =
      _mm256_fmadd_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(a.v)), _mm256_cvtps_pd(_mm256_castps256_ps128(b.v)), acc.v);
  return {
      _mm256_fmadd_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1)), _mm256_cvtps_pd(_mm256_extractf128_ps(b.v, 1)), low)};
}

}  // namespace
}  // namespace latent::LATENT_ISA
