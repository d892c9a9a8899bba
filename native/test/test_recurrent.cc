// The cells of recurrent layers, of every instruction set, at every length around the vectors'.
#include <limits>
#include <vector>

#include "check.h"
#include "closeness.h"
#include "generator.h"
#include "guard.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

template <class T>
class Sweep {
 public:
  Sweep(const KernelTable& table, uint64_t seed) : table_(table), kernel_(floatKernels<T>(table)), random_(seed) {
    for (Guarded*& memory : memories_) memory = new Guarded(size_t(1) << 16);
  }
  ~Sweep() {
    for (Guarded* memory : memories_) delete memory;
  }

  void run() {
    for (int64_t count = 0; count <= 3 * kWidest<T> + 1; ++count) {
      for (Place place : {Place::kEnding, Place::kBeginning}) {
        lstm(count, place);
        gru(count, place);
      }
    }
  }

 private:
  T* take(int k, int64_t count, Place place) {
    used_ = k + 1 > used_ ? k + 1 : used_;
    T* p = memories_[k]->template take<T>(count, place);
    for (int64_t i = 0; i < count; ++i) p[i] = static_cast<T>(random_.uniform(-3, 3));
    return p;
  }
  // The earlier values, in doubles.
  static std::vector<double> copyOf(const T* p, int64_t count) { return std::vector<double>(p, p + count); }

  void expect(const char* what, const T* got, int64_t i, double want) {
    LATENT_CHECK(close(got[i], want, 0, 64 * static_cast<double>(std::numeric_limits<T>::epsilon())),
                 "%s: %s[%lld] is %.17g instead of %.17g", caseText(), what, wide(i), static_cast<double>(got[i]), want);
  }

  void untouched() {
    for (int k = 0; k < used_; ++k)
      LATENT_CHECK(memories_[k]->untouchedOutside(), "%s: wrote outside of %d", caseText(), k);
  }

  void lstm(int64_t n, Place place) {
    setCase("%s %s lstm count=%lld place=%d", table_.name, typeName<T>(), wide(n), static_cast<int>(place));
    used_ = 0;
    T *gates = take(0, 4 * n, place), *before = take(1, n, place), *c = take(2, n, place), *h = take(3, n, place);
    const std::vector<double> z = copyOf(gates, 4 * n), old = copyOf(before, n);
    kernel_.lstmRow(n, gates, before, c, h);
    const auto gate = [&](int64_t k, int64_t j) { return z[static_cast<size_t>(k * n + j)]; };
    for (int64_t j = 0; j < n; ++j) {
      const double i = sigmoid(gate(0, j)), f = sigmoid(gate(1, j)), g = std::tanh(gate(2, j)), o = sigmoid(gate(3, j));
      const double cell = f * old[static_cast<size_t>(j)] + i * g;
      const double gateValues[] = {i, f, g, o};
      for (int64_t k = 0; k < 4; ++k) expect("a gate", gates, k * n + j, gateValues[k]);
      expect("c", c, j, cell);
      expect("h", h, j, o * std::tanh(cell));
    }
    untouched();

    const T* dh = take(4, n, place);
    T *dc = take(5, n, place), *slopes = take(6, 4 * n, place);
    const std::vector<double> dCell = copyOf(dc, n), kept = copyOf(gates, 4 * n);
    kernel_.lstmSlopeRow(n, gates, before, c, dh, dc, slopes);
    for (int64_t j = 0; j < n; ++j) {
      const auto k = [&](int64_t part) { return kept[static_cast<size_t>(part * n + j)]; };
      const double i = k(0), f = k(1), g = k(2), o = k(3), bent = std::tanh(static_cast<double>(c[j]));
      const double d = dCell[static_cast<size_t>(j)] + static_cast<double>(dh[j]) * o * (1 - bent * bent);
      expect("the slope of i", slopes, j, d * g * i * (1 - i));
      expect("the slope of f", slopes, n + j, d * old[static_cast<size_t>(j)] * f * (1 - f));
      expect("the slope of g", slopes, 2 * n + j, d * i * (1 - g * g));
      expect("the slope of o", slopes, 3 * n + j, static_cast<double>(dh[j]) * bent * o * (1 - o));
      expect("dc", dc, j, d * f);
    }
    untouched();
  }

  void gru(int64_t n, Place place) {
    setCase("%s %s gru count=%lld place=%d", table_.name, typeName<T>(), wide(n), static_cast<int>(place));
    used_ = 0;
    const T *input = take(0, 3 * n, place), *hidden = take(1, 3 * n, place), *before = take(2, n, place);
    T *kept = take(3, 4 * n, place), *h = take(4, n, place);
    kernel_.gruRow(n, input, hidden, before, kept, h);
    const auto real = [](T x) { return static_cast<double>(x); };
    for (int64_t j = 0; j < n; ++j) {
      const double r = sigmoid(real(input[j]) + real(hidden[j])), z = sigmoid(real(input[n + j]) + real(hidden[n + j]));
      const double seen = real(hidden[2 * n + j]), fresh = std::tanh(real(input[2 * n + j]) + r * seen);
      const double want[] = {r, z, fresh, seen};
      for (int64_t k = 0; k < 4; ++k) expect("what is kept", kept, k * n + j, want[k]);
      expect("h", h, j, (1 - z) * fresh + z * real(before[j]));
    }
    untouched();

    const T* dh = take(5, n, place);
    T *dInput = take(6, 3 * n, place), *dHidden = take(7, 3 * n, place), *dBefore = take(8, n, place);
    kernel_.gruSlopeRow(n, kept, before, dh, dInput, dHidden, dBefore);
    for (int64_t j = 0; j < n; ++j) {
      const double r = real(kept[j]), z = real(kept[n + j]), fresh = real(kept[2 * n + j]), seen = real(kept[3 * n + j]);
      const double g = real(dh[j]), bent = g * (1 - z) * (1 - fresh * fresh);
      const double dr = bent * seen * r * (1 - r), dz = g * (real(before[j]) - fresh) * z * (1 - z);
      expect("the input's slope of r", dInput, j, dr);
      expect("the input's slope of z", dInput, n + j, dz);
      expect("the input's slope of n", dInput, 2 * n + j, bent);
      expect("the state's slope of r", dHidden, j, dr);
      expect("the state's slope of z", dHidden, n + j, dz);
      expect("the state's slope of n", dHidden, 2 * n + j, bent * r);
      expect("dBefore", dBefore, j, g * z);
    }
    untouched();
  }

  const KernelTable& table_;
  const FloatKernels<T>& kernel_;
  Generator random_;
  Guarded* memories_[9];
  int used_ = 0;
};

}  // namespace

int main() {
  reportFaults();
  const uint64_t seed = test::seed();
  forEachSet([&](const KernelTable& table) {
    Sweep<float>(table, seed).run();
    Sweep<double>(table, seed + 1).run();
  });
  return finish("test_recurrent");
}
