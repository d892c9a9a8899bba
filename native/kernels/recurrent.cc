// The cells of recurrent layers, a row of units at a time: what follows the products with the input and the last state.
#include "math.h"
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

template <class V>
inline V one() {
  return V::set(typename V::Element(1));
}

template <class T>
void lstmRow(int64_t count, T* gates, const T* before, T* c, T* h) {
  using V = Vec<T>;
  forEachVector<V>(count, [&](int64_t j, int n) {
    const V in = sigmoidOf(loadUpTo<V>(gates + j, n)), keep = sigmoidOf(loadUpTo<V>(gates + count + j, n));
    const V fresh = tanhOf(loadUpTo<V>(gates + 2 * count + j, n)), out = sigmoidOf(loadUpTo<V>(gates + 3 * count + j, n));
    const V cell = fma(keep, loadUpTo<V>(before + j, n), in * fresh);
    storeUpTo(in, gates + j, n);
    storeUpTo(keep, gates + count + j, n);
    storeUpTo(fresh, gates + 2 * count + j, n);
    storeUpTo(out, gates + 3 * count + j, n);
    storeUpTo(cell, c + j, n);
    storeUpTo(out * tanhOf(cell), h + j, n);
  });
}

template <class T>
void lstmSlopeRow(int64_t count, const T* gates, const T* before, const T* c, const T* dh, T* dc, T* slopes) {
  using V = Vec<T>;
  forEachVector<V>(count, [&](int64_t j, int n) {
    const V in = loadUpTo<V>(gates + j, n), keep = loadUpTo<V>(gates + count + j, n);
    const V fresh = loadUpTo<V>(gates + 2 * count + j, n), out = loadUpTo<V>(gates + 3 * count + j, n);
    const V bent = tanhOf(loadUpTo<V>(c + j, n)), g = loadUpTo<V>(dh + j, n);
    const V cell = fma(g * out, one<V>() - bent * bent, loadUpTo<V>(dc + j, n));
    storeUpTo(cell * fresh * in * (one<V>() - in), slopes + j, n);
    storeUpTo(cell * loadUpTo<V>(before + j, n) * keep * (one<V>() - keep), slopes + count + j, n);
    storeUpTo(cell * in * (one<V>() - fresh * fresh), slopes + 2 * count + j, n);
    storeUpTo(g * bent * out * (one<V>() - out), slopes + 3 * count + j, n);
    storeUpTo(cell * keep, dc + j, n);
  });
}

template <class T>
void gruRow(int64_t count, const T* input, const T* hidden, const T* before, T* kept, T* h) {
  using V = Vec<T>;
  forEachVector<V>(count, [&](int64_t j, int n) {
    const auto part = [&](const T* x, int64_t i) { return loadUpTo<V>(x + i * count + j, n); };
    const V reset = sigmoidOf(part(input, 0) + part(hidden, 0)), keep = sigmoidOf(part(input, 1) + part(hidden, 1));
    const V seen = part(hidden, 2), fresh = tanhOf(fma(reset, seen, part(input, 2)));
    storeUpTo(reset, kept + j, n);
    storeUpTo(keep, kept + count + j, n);
    storeUpTo(fresh, kept + 2 * count + j, n);
    storeUpTo(seen, kept + 3 * count + j, n);
    storeUpTo(fma(keep, loadUpTo<V>(before + j, n) - fresh, fresh), h + j, n);
  });
}

template <class T>
void gruSlopeRow(int64_t count, const T* kept, const T* before, const T* dh, T* input, T* hidden, T* dBefore) {
  using V = Vec<T>;
  forEachVector<V>(count, [&](int64_t j, int n) {
    const auto part = [&](int64_t i) { return loadUpTo<V>(kept + i * count + j, n); };
    const V reset = part(0), keep = part(1), fresh = part(2), seen = part(3), g = loadUpTo<V>(dh + j, n);
    const V bent = g * (one<V>() - keep) * (one<V>() - fresh * fresh);
    const V resets = bent * seen * reset * (one<V>() - reset);
    const V keeps = g * (loadUpTo<V>(before + j, n) - fresh) * keep * (one<V>() - keep);
    storeUpTo(resets, input + j, n);
    storeUpTo(keeps, input + count + j, n);
    storeUpTo(bent, input + 2 * count + j, n);
    storeUpTo(resets, hidden + j, n);
    storeUpTo(keeps, hidden + count + j, n);
    storeUpTo(bent * reset, hidden + 2 * count + j, n);
    storeUpTo(g * keep, dBefore + j, n);
  });
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.lstmRow = lstmRow<T>;
  k.lstmSlopeRow = lstmSlopeRow<T>;
  k.gruRow = gruRow<T>;
  k.gruSlopeRow = gruSlopeRow<T>;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addRecurrent(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
