// Sums, products and extremes of rows and of columns, of every instruction set.
#include <limits>
#include <vector>

#include "check.h"
#include "closeness.h"
#include "generator.h"
#include "guard.h"
#include "reference.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

template <class T>
class Sweep {
 public:
  Sweep(const KernelTable& table, uint64_t seed)
      : table_(table), kernel_(floatKernels<T>(table)), random_(seed), x_(kRoom), out_(size_t(1) << 12) {}

  void run() {
    for (int op = 0; op < static_cast<int>(Reduce::kCount); ++op) {
      // An extreme of nothing has no value; sums start at 0, products at 1.
      const int64_t least = isExtreme(op) ? 1 : 0;
      for (int64_t count = least; count <= 8 * kWidest<T> + 1; ++count) row(op, count);
      for (int64_t count : {4095, 4096, 4097, 3 * 4096 + 5}) row(op, count);
      for (int64_t rows : {0, 1, 2, 3, 127, 128, 129, 300}) {
        if (rows < least) continue;
        for (int64_t n = 0; n <= 3 * kWidest<T> + 1; n += rows > 100 ? 5 : 1) columns(op, rows, n);
      }
      specials(op);
    }
    longSum();
  }

 private:
  static constexpr size_t kRoom = size_t(1) << 18;

  static bool isExtreme(int op) { return op == static_cast<int>(Reduce::kMax) || op == static_cast<int>(Reduce::kMin); }

  // Factors are such that products stay in range: for exact ones signs alone.
  void fill(int op, T* p, int64_t count, bool integers) {
    const bool factors = op == static_cast<int>(Reduce::kProd);
    for (int64_t i = 0; i < count; ++i) {
      if (factors) p[i] = static_cast<T>((random_.below(2) == 0 ? -1 : 1) * (integers ? 1 : random_.uniform(0.9, 1.1)));
      else p[i] = static_cast<T>(integers ? random_.integer() : random_.uniform(-1, 1));
    }
  }

  // Integers and extremes are exact; other sums within the rounding of a sum of magnitudes, products within theirs.
  static double allowed(int op, int64_t count, bool integers, double want) {
    if (integers || isExtreme(op)) return 0;
    if (op == static_cast<int>(Reduce::kProd)) {
      return static_cast<double>(count) * std::fabs(want) * static_cast<double>(std::numeric_limits<T>::epsilon());
    }
    return 4 * std::sqrt(static_cast<double>(count)) * static_cast<double>(count) *
           static_cast<double>(std::numeric_limits<T>::epsilon());
  }

  void row(int op, int64_t count) {
    for (int flags = 0; flags < 4; ++flags) {
      const bool integers = flags & 1;
      const Place place = flags & 2 ? Place::kEnding : Place::kBeginning;
      setCase("%s %s reduceRow=%d count=%lld integers=%d place=%d", table_.name, typeName<T>(), op, wide(count), integers,
              static_cast<int>(place));
      T* x = x_.template take<T>(count, place);
      fill(op, x, count, integers);
      const T got = kernel_.reduceRow[op](count, x);
      const double want = referenceReduce<T>(static_cast<Reduce>(op), count, x, 1);
      LATENT_CHECK(close(got, want, 0, allowed(op, count, integers, want)), "%s: %.17g instead of %.17g", caseText(),
                   static_cast<double>(got), want);
    }
  }

  void columns(int op, int64_t rows, int64_t n) {
    for (int flags = 0; flags < 8; ++flags) {
      const bool integers = flags & 1;
      const Place place = flags & 2 ? Place::kEnding : Place::kBeginning;
      const int64_t stride = n + (flags & 4 ? 3 : 0), count = rows == 0 ? 0 : (rows - 1) * stride + n;
      setCase("%s %s reduceColumns=%d rows=%lld columns=%lld stride=%lld integers=%d place=%d", table_.name, typeName<T>(),
              op, wide(rows), wide(n), wide(stride), integers, static_cast<int>(place));
      T* x = x_.template take<T>(count, place);
      fill(op, x, count, integers);
      T* out = out_.template take<T>(n, place);
      kernel_.reduceColumns[op](rows, n, x, stride, out);
      for (int64_t j = 0; j < n; ++j) {
        const double want = referenceReduce<T>(static_cast<Reduce>(op), rows, x + j, stride);
        LATENT_CHECK(close(out[j], want, 0, allowed(op, rows, integers, want)), "%s: [%lld] is %.17g instead of %.17g",
                     caseText(), wide(j), static_cast<double>(out[j]), want);
      }
      LATENT_CHECK(out_.untouchedOutside(), "%s: wrote outside", caseText());
    }
  }

  // NaN wins wherever it stands; infinities count like numbers.
  void specials(int op) {
    using Limits = std::numeric_limits<T>;
    const T inf = Limits::infinity();
    for (int64_t count : {int64_t(1), kWidest<T> - 1, kWidest<T>, 3 * kWidest<T> + 1}) {
      for (T special : {Limits::quiet_NaN(), inf, -inf, Limits::denorm_min(), T(1000)}) {
        for (int64_t at = 0; at < count; ++at) {
          setCase("%s %s reduce=%d count=%lld special=%g at=%lld", table_.name, typeName<T>(), op, wide(count),
                  static_cast<double>(special), wide(at));
          T* x = x_.template take<T>(count, Place::kEnding);
          for (int64_t i = 0; i < count; ++i) x[i] = op == static_cast<int>(Reduce::kProd) ? T(-1) : T(-3);
          x[at] = special;
          const double want = referenceReduce<T>(static_cast<Reduce>(op), count, x, 1);
          const T whole = kernel_.reduceRow[op](count, x);
          LATENT_CHECK(close(whole, want, 0), "%s: row gives %g", caseText(), static_cast<double>(whole));
          T* out = out_.template take<T>(1, Place::kEnding);
          kernel_.reduceColumns[op](count, 1, x, 1, out);
          LATENT_CHECK(close(*out, want, 0), "%s: column gives %g", caseText(), static_cast<double>(*out));
        }
      }
    }
  }

  // A running float would stop growing at 2^24; blocks keep the error from growing with the length.
  void longSum() {
    const int64_t count = 1 << 22;
    std::vector<T> x(static_cast<size_t>(count));
    // Multiples of 2^-20: float64 adds them without rounding.
    for (T& v : x) v = static_cast<T>(std::ldexp(static_cast<double>(random_.below(1 << 20)), -20));
    const double want = referenceReduce<T>(Reduce::kSum, count, x.data(), 1);
    const T got = kernel_.reduceRow[static_cast<int>(Reduce::kSum)](count, x.data());
    LATENT_CHECK(close(got, want, sizeof(T) == 4 ? 2 : 0), "%s %s: sum of 2^22 numbers is %.17g instead of %.17g",
                 table_.name, typeName<T>(), static_cast<double>(got), want);
    T column = 0;
    kernel_.reduceColumns[static_cast<int>(Reduce::kSum)](count, 1, x.data(), 1, &column);
    LATENT_CHECK(close(column, want, sizeof(T) == 4 ? 64 : 0), "%s %s: a column of 2^22 numbers is %.17g instead of %.17g",
                 table_.name, typeName<T>(), static_cast<double>(column), want);
  }

  const KernelTable& table_;
  const FloatKernels<T>& kernel_;
  Generator random_;
  Guarded x_, out_;
};

}  // namespace

int main() {
  reportFaults();
  const uint64_t seed = test::seed();
  forEachSet([&](const KernelTable& table) {
    Sweep<float>(table, seed).run();
    Sweep<double>(table, seed).run();
  });
  return finish("test_reduce");
}
