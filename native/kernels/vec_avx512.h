// AVX-512 (F, VL, BW, DQ): sixteen floats or eight doubles, with a mask register for every tail.
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
  using Mask = __mmask16;
  static constexpr int kLanes = 16;
  static constexpr int kRegisters = 32;
  static constexpr bool kMasks = true;
  static constexpr int kSignBit = -0x7fffffff - 1;
  __m512 v;

  static Vec set(float x) { return {_mm512_set1_ps(x)}; }
  static Vec zero() { return {_mm512_setzero_ps()}; }
  static Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Vec loadPart(const float* p, int n) { return {_mm512_maskz_loadu_ps(lanes(n), p)}; }
  using Inside = __mmask16;
  static Inside inside(int64_t from, int64_t to) { return static_cast<Inside>(lanes(laneOf(to)) & ~lanes(laneOf(from))); }
  static Vec loadInside(const float* p, Inside lanes) { return {_mm512_maskz_loadu_ps(lanes, p)}; }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  float lane0() const { return _mm512_cvtss_f32(v); }
  // The lanes from kFrom on, a power of two below kLanes, at the front; what follows them is unspecified.
  template <int kFrom>
  Vec from() const {
    const __m512i bits = _mm512_castps_si512(v);
    return {_mm512_castsi512_ps(_mm512_alignr_epi32(bits, bits, kFrom))};
  }
  // Past the caches; p is aligned to the vector.
  void stream(float* p) const { _mm512_stream_ps(p, v); }
  static void endStreams() { _mm_sfence(); }
  void storePart(float* p, int n) const { _mm512_mask_storeu_ps(p, lanes(n), v); }

  static Vec first(const float* p) { return {_mm512_zextps128_ps512(_mm_load_ss(p))}; }
  static void transpose(Vec (&r)[16]) {
    __m512 t[16];
    for (int g = 0; g < 16; g += 4) {
      const __m512 a = _mm512_unpacklo_ps(r[g].v, r[g + 1].v), b = _mm512_unpackhi_ps(r[g].v, r[g + 1].v);
      const __m512 c = _mm512_unpacklo_ps(r[g + 2].v, r[g + 3].v), d = _mm512_unpackhi_ps(r[g + 2].v, r[g + 3].v);
      t[g] = unpackLowPairs(a, c);
      t[g + 1] = unpackHighPairs(a, c);
      t[g + 2] = unpackLowPairs(b, d);
      t[g + 3] = unpackHighPairs(b, d);
    }
    for (int c = 0; c < 4; ++c) {
      const __m512 x = _mm512_shuffle_f32x4(t[c], t[4 + c], 0x44), y = _mm512_shuffle_f32x4(t[c], t[4 + c], 0xee);
      const __m512 z = _mm512_shuffle_f32x4(t[8 + c], t[12 + c], 0x44);
      const __m512 w = _mm512_shuffle_f32x4(t[8 + c], t[12 + c], 0xee);
      r[c].v = _mm512_shuffle_f32x4(x, z, 0x88);
      r[c + 4].v = _mm512_shuffle_f32x4(x, z, 0xdd);
      r[c + 8].v = _mm512_shuffle_f32x4(y, w, 0x88);
      r[c + 12].v = _mm512_shuffle_f32x4(y, w, 0xdd);
    }
  }
  static void sumFour(Vec a, Vec b, Vec c, Vec d, float* out) {
    const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a.v, b.v), _mm512_unpackhi_ps(a.v, b.v));
    const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c.v, d.v), _mm512_unpackhi_ps(c.v, d.v));
    const __m512 all = _mm512_add_ps(unpackLowPairs(ab, cd), unpackHighPairs(ab, cd));
    const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(all), 1));
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), high);
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a) { return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))}; }
  friend Mask operator<(Vec a, Vec b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
  friend Mask operator<=(Vec a, Vec b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ); }
  friend Mask operator==(Vec a, Vec b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ); }
  friend Mask isNan(Vec a) { return _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q); }

  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  friend Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
  friend Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
  friend Vec abs(Vec a) { return {_mm512_abs_ps(a.v)}; }
  friend Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.v)}; }
  friend Vec floor(Vec a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }
  friend Vec ceil(Vec a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)}; }
  friend Vec roundToEven(Vec a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  friend Vec select(Mask m, Vec a, Vec b) { return {_mm512_mask_blend_ps(m, b.v, a.v)}; }

  // Of a and b as one row: its even and its odd places; and the row whose even places are a and whose odd places are b.
  friend Vec evens(Vec a, Vec b) { return {_mm512_permutex2var_ps(a.v, everySecondFrom(0), b.v)}; }
  friend Vec odds(Vec a, Vec b) { return {_mm512_permutex2var_ps(a.v, everySecondFrom(1), b.v)}; }
  friend Vec interleavedLow(Vec a, Vec b) { return {_mm512_permutex2var_ps(a.v, pairsFrom(0), b.v)}; }
  friend Vec interleavedHigh(Vec a, Vec b) { return {_mm512_permutex2var_ps(a.v, pairsFrom(8), b.v)}; }

  static Vec power2(Vec n) { return {_mm512_scalef_ps(_mm512_set1_ps(1.0f), n.v)}; }
  friend Vec scaled(Vec x, Vec n) {
    const auto vanishes = _mm512_cmp_ps_mask(n.v, _mm512_set1_ps(kVanishing<float>), _CMP_LT_OQ);
    return {_mm512_scalef_ps(x.v, _mm512_mask_mov_ps(n.v, vanishes, _mm512_set1_ps(-__builtin_inff())))};
  }
  friend Vec withSignOf(Vec a, Vec x) {
    // Bit by bit: x where the constant has a one, else a.
    const __m512i bits =
        _mm512_ternarylogic_epi32(_mm512_set1_epi32(kSignBit), _mm512_castps_si512(x.v), _mm512_castps_si512(a.v), 0xCA);
    return {_mm512_castsi512_ps(bits)};
  }
  // The instructions themselves answer -infinity and 1 at 0, NaN below, infinity and 1 at infinity.
  friend Vec fractionOf(Vec x, Vec& k) {
    const __m512 m = _mm512_getmant_ps(x.v, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
    const __m512 e = _mm512_getexp_ps(x.v), one = _mm512_set1_ps(1);
    k = {_mm512_mask_add_ps(e, _mm512_cmp_ps_mask(m, one, _CMP_LT_OQ), e, one)};
    return {m};
  }

 private:
  static int laneOf(int64_t i) { return i < 0 ? 0 : (i < kLanes ? static_cast<int>(i) : kLanes); }
  static __mmask16 lanes(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  static __m512i everySecondFrom(int first) {
    const __m512i places = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_add_epi32(_mm512_set1_epi32(first), places);
  }
  static __m512i pairsFrom(int first) {
    const __m512i pairs = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    return _mm512_add_epi32(_mm512_set1_epi32(first), pairs);
  }
  static __m512 unpackLowPairs(__m512 a, __m512 b) {
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  }
  static __m512 unpackHighPairs(__m512 a, __m512 b) {
    return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  }
};

template <>
struct Vec<double> {
  using Element = double;
  using Mask = __mmask8;
  static constexpr int kLanes = 8;
  static constexpr int kRegisters = 32;
  static constexpr bool kMasks = true;
  static constexpr long long kSignBit = -0x7fffffffffffffff - 1;
  __m512d v;

  static Vec set(double x) { return {_mm512_set1_pd(x)}; }
  static Vec zero() { return {_mm512_setzero_pd()}; }
  static Vec load(const double* p) { return {_mm512_loadu_pd(p)}; }
  static Vec loadPart(const double* p, int n) { return {_mm512_maskz_loadu_pd(lanes(n), p)}; }
  using Inside = __mmask8;
  static Inside inside(int64_t from, int64_t to) { return static_cast<Inside>(lanes(laneOf(to)) & ~lanes(laneOf(from))); }
  static Vec loadInside(const double* p, Inside lanes) { return {_mm512_maskz_loadu_pd(lanes, p)}; }
  void store(double* p) const { _mm512_storeu_pd(p, v); }
  double lane0() const { return _mm512_cvtsd_f64(v); }
  template <int kFrom>
  Vec from() const {
    const __m512i bits = _mm512_castpd_si512(v);
    return {_mm512_castsi512_pd(_mm512_alignr_epi64(bits, bits, kFrom))};
  }
  void stream(double* p) const { _mm512_stream_pd(p, v); }
  static void endStreams() { _mm_sfence(); }
  void storePart(double* p, int n) const { _mm512_mask_storeu_pd(p, lanes(n), v); }

  static Vec first(const double* p) { return {_mm512_zextpd128_pd512(_mm_load_sd(p))}; }
  static void transpose(Vec (&r)[8]) {
    __m512d low[4], high[4];
    for (int g = 0; g < 4; ++g) {
      low[g] = _mm512_unpacklo_pd(r[2 * g].v, r[2 * g + 1].v);
      high[g] = _mm512_unpackhi_pd(r[2 * g].v, r[2 * g + 1].v);
    }
    transposeQuarters(low, r, 0);
    transposeQuarters(high, r, 1);
  }
  static void sumFour(Vec a, Vec b, Vec c, Vec d, double* out) {
    const __m512d ab = _mm512_add_pd(_mm512_unpacklo_pd(a.v, b.v), _mm512_unpackhi_pd(a.v, b.v));
    const __m512d cd = _mm512_add_pd(_mm512_unpacklo_pd(c.v, d.v), _mm512_unpackhi_pd(c.v, d.v));
    const __m512d half = _mm512_add_pd(_mm512_shuffle_f64x2(ab, cd, 0x44), _mm512_shuffle_f64x2(ab, cd, 0xee));
    const __m512d all = _mm512_add_pd(_mm512_shuffle_f64x2(half, half, 0x88), _mm512_shuffle_f64x2(half, half, 0xdd));
    _mm256_storeu_pd(out, _mm512_castpd512_pd256(all));
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm512_add_pd(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm512_sub_pd(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm512_mul_pd(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm512_div_pd(a.v, b.v)}; }
  friend Vec operator-(Vec a) { return {_mm512_xor_pd(a.v, _mm512_set1_pd(-0.0))}; }
  friend Mask operator<(Vec a, Vec b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ); }
  friend Mask operator<=(Vec a, Vec b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_LE_OQ); }
  friend Mask operator==(Vec a, Vec b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_EQ_OQ); }
  friend Mask isNan(Vec a) { return _mm512_cmp_pd_mask(a.v, a.v, _CMP_UNORD_Q); }

  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
  friend Vec min(Vec a, Vec b) { return {_mm512_min_pd(a.v, b.v)}; }
  friend Vec max(Vec a, Vec b) { return {_mm512_max_pd(a.v, b.v)}; }
  friend Vec abs(Vec a) { return {_mm512_abs_pd(a.v)}; }
  friend Vec sqrt(Vec a) { return {_mm512_sqrt_pd(a.v)}; }
  friend Vec floor(Vec a) { return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }
  friend Vec ceil(Vec a) { return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)}; }
  friend Vec roundToEven(Vec a) { return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  friend Vec select(Mask m, Vec a, Vec b) { return {_mm512_mask_blend_pd(m, b.v, a.v)}; }

  friend Vec evens(Vec a, Vec b) {
    return {_mm512_permutex2var_pd(a.v, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b.v)};
  }
  friend Vec odds(Vec a, Vec b) { return {_mm512_permutex2var_pd(a.v, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), b.v)}; }
  friend Vec interleavedLow(Vec a, Vec b) {
    return {_mm512_permutex2var_pd(a.v, _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), b.v)};
  }
  friend Vec interleavedHigh(Vec a, Vec b) {
    return {_mm512_permutex2var_pd(a.v, _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15), b.v)};
  }

  static Vec power2(Vec n) { return {_mm512_scalef_pd(_mm512_set1_pd(1.0), n.v)}; }
  friend Vec scaled(Vec x, Vec n) {
    const auto vanishes = _mm512_cmp_pd_mask(n.v, _mm512_set1_pd(kVanishing<double>), _CMP_LT_OQ);
    return {_mm512_scalef_pd(x.v, _mm512_mask_mov_pd(n.v, vanishes, _mm512_set1_pd(-__builtin_inf())))};
  }
  friend Vec withSignOf(Vec a, Vec x) {
    // Bit by bit: x where the constant has a one, else a.
    const __m512i bits =
        _mm512_ternarylogic_epi64(_mm512_set1_epi64(kSignBit), _mm512_castpd_si512(x.v), _mm512_castpd_si512(a.v), 0xCA);
    return {_mm512_castsi512_pd(bits)};
  }
  // The instructions themselves answer -infinity and 1 at 0, NaN below, infinity and 1 at infinity.
  friend Vec fractionOf(Vec x, Vec& k) {
    const __m512d m = _mm512_getmant_pd(x.v, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
    const __m512d e = _mm512_getexp_pd(x.v), one = _mm512_set1_pd(1);
    k = {_mm512_mask_add_pd(e, _mm512_cmp_pd_mask(m, one, _CMP_LT_OQ), e, one)};
    return {m};
  }

 private:
  static int laneOf(int64_t i) { return i < 0 ? 0 : (i < kLanes ? static_cast<int>(i) : kLanes); }
  static __mmask8 lanes(int n) { return static_cast<__mmask8>((1u << n) - 1); }
  // Quarter q of pairs[g] goes to quarter g of r[2q + odd].
  static void transposeQuarters(const __m512d (&pairs)[4], Vec (&r)[8], int odd) {
    const __m512d x = _mm512_shuffle_f64x2(pairs[0], pairs[1], 0x44), y = _mm512_shuffle_f64x2(pairs[0], pairs[1], 0xee);
    const __m512d z = _mm512_shuffle_f64x2(pairs[2], pairs[3], 0x44), w = _mm512_shuffle_f64x2(pairs[2], pairs[3], 0xee);
    r[odd].v = _mm512_shuffle_f64x2(x, z, 0x88);
    r[2 + odd].v = _mm512_shuffle_f64x2(x, z, 0xdd);
    r[4 + odd].v = _mm512_shuffle_f64x2(y, w, 0x88);
    r[6 + odd].v = _mm512_shuffle_f64x2(y, w, 0xdd);
  }
};

// The halves of a vector as doubles, and back.
inline void widen(Vec<float> x, Vec<double>& low, Vec<double>& high) {
  low = {_mm512_cvtps_pd(_mm512_castps512_ps256(x.v))};
  high = {_mm512_cvtps_pd(_mm512_extractf32x8_ps(x.v, 1))};
}
inline Vec<float> narrow(Vec<double> low, Vec<double> high) {
  return {_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low.v)), _mm512_cvtpd_ps(high.v), 1)};
}

inline Vec<double> addProducts(Vec<double> acc, Vec<double> a, Vec<double> b) { return fma(a, b, acc); }
inline Vec<double> addProducts(Vec<double> acc, Vec<float> a, Vec<float> b) {
  const auto high = [](__m512 v) {
    return _mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1)));
  };
  const __m512d low =
      _mm512_fmadd_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(a.v)), _mm512_cvtps_pd(_mm512_castps512_ps256(b.v)), acc.v);
  return {_mm512_fmadd_pd(high(a.v), high(b.v), low)};
}

}  // namespace
}  // namespace latent::LATENT_ISA
