// Unary, binary and comparing kernels, clip and where, of every instruction set: at every length around the vectors',
// in place, against guard pages, and with the values that have no neighbours.
#include <limits>
#include <type_traits>
#include <vector>

#include "check.h"
#include "closeness.h"
#include "generator.h"
#include "guard.h"
#include "kernels/unary.h"
#include "reference.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

const char* const kUnaryNames[] = {
#define LATENT_ENTRY(Name, name) #name,
    LATENT_UNARY(LATENT_ENTRY)
#undef LATENT_ENTRY
};

// Allowed error in epsilons; 0 where one correctly rounded operation gives the answer. test_math.cc holds the curved
// functions to their bounds over all inputs; here they need only be recognisable.
double allowedOf(Unary op) {
  switch (op) {
    case Unary::kNeg:
    case Unary::kAbs:
    case Unary::kSign:
    case Unary::kSqrt:
    case Unary::kSquare:
    case Unary::kReciprocal:
    case Unary::kFloor:
    case Unary::kCeil:
    case Unary::kRound:
    case Unary::kRelu: return 0;
    // erfc multiplies the rounding of its argument by the argument's square.
    case Unary::kGelu: return 64;
    default: return 4;
  }
}

template <class T>
std::vector<T> specialValues() {
  using Limits = std::numeric_limits<T>;
  const T inf = Limits::infinity();
  return {T(0),
          -T(0),
          inf,
          -inf,
          Limits::quiet_NaN(),
          Limits::denorm_min(),
          -Limits::denorm_min(),
          Limits::min(),
          -Limits::min(),
          Limits::max(),
          -Limits::max(),
          T(1),
          T(-1),
          T(-2),
          T(0.5),
          T(800),
          T(-800),
          T(100),
          T(-110),
          T(88.5),
          T(709.5)};
}

template <class T>
class Sweep {
 public:
  Sweep(const KernelTable& table, uint64_t seed)
      : table_(table), kernel_(floatKernels<T>(table)), random_(seed), x_(kRoom), y_(kRoom), out_(kRoom), flag_(kRoom),
        specials_(specialValues<T>()) {
    for (int64_t n = 0; n <= 3 * kWidest<T> + 1; ++n) counts_.push_back(n);
    for (int64_t n : {1000, 4099}) counts_.push_back(n);
  }

  void run() {
    for (int64_t count : counts_) {
      for (int op = 0; op < static_cast<int>(Unary::kCount); ++op) unary(op, count);
      for (int form = 0; form < static_cast<int>(Broadcast::kCount); ++form) {
        for (int op = 0; op < static_cast<int>(Binary::kCount); ++op) binary(op, form, count);
        for (int op = 0; op < static_cast<int>(Compare::kCount); ++op) comparison(op, form, count);
      }
      clip(count);
      clipGradient(count);
      where(count);
      stream(count);
      convert<typename OtherFloat<T>::Type>(count, kernel_.fromOther, "other");
      convert<int32_t>(count, kernel_.fromInt32, "int32");
      convert<uint8_t>(count, kernel_.fromUint8, "uint8");
      if (count <= 3 * kWidest<T>) turned(count, random_.below(2 * kWidest<T> + 3));
    }
    for (int op = 0; op < static_cast<int>(Unary::kCount); ++op) {
      unarySpecials(op);
      unaryPlaces(op);
    }
    for (int op = 0; op < static_cast<int>(Binary::kCount); ++op) binaryPlaces(op);
    binarySpecials();
    signs();
  }

 private:
  static constexpr size_t kRoom = size_t(1) << 16;

  // One value in four is special, at places that move from call to call.
  void fill(T* p, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      p[i] = random_.below(4) == 0 ? specials_[static_cast<size_t>(random_.below(int64_t(specials_.size())))]
                                   : static_cast<T>(random_.uniform(-6, 6));
    }
  }

  void check(T got, double want, double eps, int64_t i, double a, double b) {
    LATENT_CHECK(close(got, want, eps), "%s: [%lld] of (%.17g, %.17g) is %.17g instead of %.17g", caseText(), wide(i), a, b,
                 static_cast<double>(got), want);
  }

  void unary(int op, int64_t count) {
    for (Place place : {Place::kEnding, Place::kBeginning}) {
      for (bool inPlace : {false, true}) {
        setCase("%s %s %s count=%lld place=%d inPlace=%d", table_.name, typeName<T>(), kUnaryNames[op], wide(count),
                static_cast<int>(place), inPlace);
        T* x = x_.template take<T>(count, place);
        fill(x, count);
        const std::vector<T> input(x, x + count);
        T* out = inPlace ? x : out_.template take<T>(count, place);
        kernel_.unary[op](count, x, out);
        for (int64_t i = 0; i < count; ++i) {
          const T v = input[static_cast<size_t>(i)];
          check(out[i], referenceUnary(static_cast<Unary>(op), static_cast<double>(v)), allowedOf(static_cast<Unary>(op)),
                i, static_cast<double>(v), 0);
        }
        LATENT_CHECK((inPlace ? x_ : out_).untouchedOutside(), "%s: wrote outside", caseText());
      }
    }
  }

  // Every special value in every lane, alone among ordinary neighbours.
  void unarySpecials(int op) {
    const int64_t count = 2 * kWidest<T> - 1;
    for (const T special : specials_) {
      for (int64_t lane = 0; lane < count; ++lane) {
        setCase("%s %s %s special=%g lane=%lld", table_.name, typeName<T>(), kUnaryNames[op], static_cast<double>(special),
                wide(lane));
        T* x = x_.template take<T>(count, Place::kEnding);
        for (int64_t i = 0; i < count; ++i) x[i] = T(0.75);
        x[lane] = special;
        T* out = out_.template take<T>(count, Place::kEnding);
        kernel_.unary[op](count, x, out);
        for (int64_t i = 0; i < count; ++i) {
          check(out[i], referenceUnary(static_cast<Unary>(op), static_cast<double>(x[i])),
                allowedOf(static_cast<Unary>(op)), i, static_cast<double>(x[i]), 0);
        }
      }
    }
  }

  static bool sameBits(T a, T b) { return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof(T)) == 0; }

  // An element's answer is that of the element alone, wherever it lies: the vectors' loop, the one before the tail and
  // the tail agree to the bit.
  void unaryPlaces(int op) {
    const int64_t count = 4 * kWidest<T> - 1;
    std::vector<T> x(static_cast<size_t>(count)), out(x.size());
    fill(x.data(), count);
    for (int64_t n = 1; n <= count; ++n) {
      kernel_.unary[op](n, x.data(), out.data());
      for (int64_t i = 0; i < n; ++i) {
        T alone;
        kernel_.unary[op](1, &x[static_cast<size_t>(i)], &alone);
        LATENT_CHECK(sameBits(out[static_cast<size_t>(i)], alone), "%s %s %s: [%lld] of %lld differs from it alone",
                     table_.name, typeName<T>(), kUnaryNames[op], wide(i), wide(n));
      }
    }
  }
  void binaryPlaces(int op) {
    const int64_t count = 4 * kWidest<T> - 1;
    std::vector<T> a(static_cast<size_t>(count)), b(a.size()), out(a.size());
    fill(a.data(), count);
    fill(b.data(), count);
    const auto kernel = kernel_.binary[op][static_cast<int>(Broadcast::kNone)];
    for (int64_t n = 1; n <= count; ++n) {
      kernel(n, a.data(), b.data(), out.data());
      for (int64_t i = 0; i < n; ++i) {
        T alone;
        kernel(1, &a[static_cast<size_t>(i)], &b[static_cast<size_t>(i)], &alone);
        LATENT_CHECK(sameBits(out[static_cast<size_t>(i)], alone), "%s %s binary %d: [%lld] of %lld differs from it alone",
                     table_.name, typeName<T>(), op, wide(i), wide(n));
      }
    }
  }

  void binary(int op, int form, int64_t count) {
    const bool left = form == static_cast<int>(Broadcast::kLeft), right = form == static_cast<int>(Broadcast::kRight);
    for (Place place : {Place::kEnding, Place::kBeginning}) {
      for (int target = 0; target < 3; ++target) {
        if ((target == 1 && left) || (target == 2 && right)) continue;
        setCase("%s %s binary=%d form=%d count=%lld place=%d out=%d", table_.name, typeName<T>(), op, form, wide(count),
                static_cast<int>(place), target);
        // A broadcast operand is one element even when there are none to make.
        T* a = x_.template take<T>(left ? 1 : count, place);
        T* b = y_.template take<T>(right ? 1 : count, place);
        fill(a, left ? 1 : count);
        fill(b, right ? 1 : count);
        const std::vector<T> x(a, a + (left ? 1 : count)), y(b, b + (right ? 1 : count));
        T* out = target == 0 ? out_.template take<T>(count, place) : (target == 1 ? a : b);
        kernel_.binary[op][form](count, a, b, out);
        const double eps = op == static_cast<int>(Binary::kPow) ? 2 : 0;
        for (int64_t i = 0; i < count; ++i) {
          const double p = static_cast<double>(x[static_cast<size_t>(left ? 0 : i)]);
          const double q = static_cast<double>(y[static_cast<size_t>(right ? 0 : i)]);
          check(out[i], referenceBinary(static_cast<Binary>(op), p, q), eps, i, p, q);
        }
        const Guarded& written = target == 0 ? out_ : (target == 1 ? x_ : y_);
        LATENT_CHECK(written.untouchedOutside(), "%s: wrote outside", caseText());
      }
    }
  }

  void binarySpecials() {
    const int64_t count = static_cast<int64_t>(specials_.size());
    for (int op = 0; op < static_cast<int>(Binary::kCount); ++op) {
      for (const T b : specials_) {
        setCase("%s %s binary=%d of every special value and %g", table_.name, typeName<T>(), op, static_cast<double>(b));
        T* out = out_.template take<T>(count, Place::kEnding);
        kernel_.binary[op][static_cast<int>(Broadcast::kRight)](count, specials_.data(), &b, out);
        for (int64_t i = 0; i < count; ++i) {
          const double a = static_cast<double>(specials_[static_cast<size_t>(i)]);
          check(out[i], referenceBinary(static_cast<Binary>(op), a, static_cast<double>(b)),
                op == static_cast<int>(Binary::kPow) ? 2 : 0, i, a, static_cast<double>(b));
        }
      }
    }
  }

  // Zeros keep or lose their sign as the operation says; == cannot see it.
  void signs() {
    struct {
      Unary op;
      T x;
      bool negative;
    } const cases[] = {{Unary::kNeg, T(0), true},
                       {Unary::kNeg, -T(0), false},
                       {Unary::kAbs, -T(0), false},
                       {Unary::kExpm1, -T(0), true},
                       {Unary::kLog1p, -T(0), true},
                       {Unary::kSqrt, -T(0), true},
                       {Unary::kTanh, -T(0), true},
                       {Unary::kTanh, T(0), false},
                       {Unary::kSin, -T(0), true},
                       {Unary::kFloor, -T(0), true},
                       {Unary::kCeil, -T(0.5), true},
                       {Unary::kRound, -T(0.5), true},
                       {Unary::kRound, T(0.5), false},
                       {Unary::kErf, -T(0), true},
                       {Unary::kSoftsign, -T(0), true},
                       {Unary::kGelu, -T(0), true},
                       {Unary::kGelu, T(0), false},
                       {Unary::kGeluTanh, -T(0), true},
                       {Unary::kSilu, -T(0), true},
                       {Unary::kGelu, -std::numeric_limits<T>::infinity(), true},
                       {Unary::kGeluTanh, -std::numeric_limits<T>::infinity(), true},
                       {Unary::kSilu, -std::numeric_limits<T>::infinity(), true},
                       {Unary::kReciprocal, -std::numeric_limits<T>::infinity(), true}};
    for (const auto& c : cases) {
      T out = T(1);
      kernel_.unary[static_cast<int>(c.op)](1, &c.x, &out);
      LATENT_CHECK(out == 0 && std::signbit(out) == c.negative, "%s %s %s of %g is %g", table_.name, typeName<T>(),
                   kUnaryNames[static_cast<int>(c.op)], static_cast<double>(c.x), static_cast<double>(out));
    }
  }

  void comparison(int op, int form, int64_t count) {
    const bool left = form == static_cast<int>(Broadcast::kLeft), right = form == static_cast<int>(Broadcast::kRight);
    for (Place place : {Place::kEnding, Place::kBeginning}) {
      setCase("%s %s compare=%d form=%d count=%lld place=%d", table_.name, typeName<T>(), op, form, wide(count),
              static_cast<int>(place));
      T* a = x_.template take<T>(left ? 1 : count, place);
      T* b = y_.template take<T>(right ? 1 : count, place);
      fill(a, left ? 1 : count);
      fill(b, right ? 1 : count);
      // Random values are rarely equal.
      for (int64_t i = 0; i < count; i += 3) {
        if (!left && !right) b[i] = a[i];
        else (left ? b : a)[i] = (left ? a : b)[0];
      }
      uint8_t* out = flag_.template take<uint8_t>(count, place);
      kernel_.compare[op][form](count, a, b, out);
      for (int64_t i = 0; i < count; ++i) {
        const double p = static_cast<double>(a[left ? 0 : i]), q = static_cast<double>(b[right ? 0 : i]);
        LATENT_CHECK(out[i] == static_cast<uint8_t>(referenceCompare(static_cast<Compare>(op), p, q)),
                     "%s: [%lld] of (%.17g, %.17g) is %d", caseText(), wide(i), p, q, out[i]);
      }
      LATENT_CHECK(flag_.untouchedOutside(), "%s: wrote outside", caseText());
    }
  }

  void clip(int64_t count) {
    const T inf = std::numeric_limits<T>::infinity();
    const T bounds[][2] = {{T(-1), T(2)}, {T(0), T(0)}, {-inf, T(1)}, {T(-1), inf}, {T(2), T(-1)}};
    for (const T* bound : bounds) {
      for (bool inPlace : {false, true}) {
        setCase("%s %s clip(%g, %g) count=%lld inPlace=%d", table_.name, typeName<T>(), static_cast<double>(bound[0]),
                static_cast<double>(bound[1]), wide(count), inPlace);
        T* x = x_.template take<T>(count, Place::kEnding);
        fill(x, count);
        const std::vector<T> input(x, x + count);
        T* out = inPlace ? x : out_.template take<T>(count, Place::kEnding);
        kernel_.clip(count, x, bound[0], bound[1], out);
        for (int64_t i = 0; i < count; ++i) {
          const double v = static_cast<double>(input[static_cast<size_t>(i)]);
          check(out[i], referenceClip(v, static_cast<double>(bound[0]), static_cast<double>(bound[1])), 0, i, v, 0);
        }
        LATENT_CHECK((inPlace ? x_ : out_).untouchedOutside(), "%s: wrote outside", caseText());
      }
    }
  }

  void clipGradient(int64_t count) {
    const T inf = std::numeric_limits<T>::infinity();
    const T bounds[][2] = {{T(-1), T(2)}, {T(0), T(0)}, {-inf, T(1)}, {T(-1), inf}};
    for (const T* bound : bounds) {
      for (int target = 0; target < 3; ++target) {
        setCase("%s %s clipGradient(%g, %g) count=%lld out=%d", table_.name, typeName<T>(), static_cast<double>(bound[0]),
                static_cast<double>(bound[1]), wide(count), target);
        T* g = x_.template take<T>(count, Place::kEnding);
        T* x = y_.template take<T>(count, Place::kEnding);
        fill(g, count);
        fill(x, count);
        for (int64_t i = 0; i < count; i += 5) x[i] = bound[i % 2];
        const std::vector<T> slopes(g, g + count), values(x, x + count);
        T* out = target == 0 ? out_.template take<T>(count, Place::kEnding) : (target == 1 ? g : x);
        kernel_.clipGradient(count, g, x, bound[0], bound[1], out);
        bool right = true;
        for (int64_t i = 0; i < count; ++i) {
          const T v = values[static_cast<size_t>(i)];
          const T want = v < bound[0] || v > bound[1] ? T(0) : slopes[static_cast<size_t>(i)];
          right = right && std::memcmp(&out[i], &want, sizeof(T)) == 0;
        }
        const Guarded& written = target == 0 ? out_ : (target == 1 ? x_ : y_);
        LATENT_CHECK(right && written.untouchedOutside(), "%s", caseText());
      }
    }
  }

  // With steps of 1 and of 0, in place where a side has as many elements as the output.
  void where(int64_t count) {
    for (int form = 0; form < 12; ++form) {
      const int64_t aStep = form & 1, bStep = form >> 1 & 1;
      const int target = form >> 2;
      if ((target == 1 && aStep == 0) || (target == 2 && bStep == 0)) continue;
      setCase("%s %s where count=%lld form=%d", table_.name, typeName<T>(), wide(count), form);
      const int64_t as = aStep == 0 ? 1 : count, bs = bStep == 0 ? 1 : count;
      uint8_t* condition = flag_.template take<uint8_t>(count, Place::kEnding);
      T* a = x_.template take<T>(as, Place::kEnding);
      T* b = y_.template take<T>(bs, Place::kEnding);
      for (int64_t i = 0; i < count; ++i) condition[i] = static_cast<uint8_t>(random_.below(2));
      fill(a, as);
      fill(b, bs);
      const std::vector<T> x(a, a + as), y(b, b + bs);
      T* out = target == 0 ? out_.template take<T>(count, Place::kEnding) : (target == 1 ? a : b);
      kernel_.where(count, condition, a, aStep, b, bStep, out);
      bool right = true;
      for (int64_t i = 0; i < count; ++i) {
        const T want = condition[i] ? x[static_cast<size_t>(i * aStep)] : y[static_cast<size_t>(i * bStep)];
        right = right && std::memcmp(&out[i], &want, sizeof(T)) == 0;
      }
      const Guarded& written = target == 0 ? out_ : (target == 1 ? x_ : y_);
      LATENT_CHECK(right && written.untouchedOutside(), "%s", caseText());
    }
  }

  // NaN with any payload keeps it: integers are turned as floats.
  void turned(int64_t rows, int64_t columns) {
    const int64_t xRow = columns + random_.below(3), outRow = rows + random_.below(3);
    setCase("%s %s turn %lld x %lld, %lld, %lld", table_.name, typeName<T>(), wide(rows), wide(columns), wide(xRow),
            wide(outRow));
    const auto reach = [](int64_t lines, int64_t row, int64_t length) {
      return lines == 0 ? 0 : (lines - 1) * row + length;
    };
    const int64_t inputs = reach(rows, xRow, columns), outputs = reach(columns, outRow, rows);
    for (Place place : {Place::kEnding, Place::kBeginning}) {
      T* x = x_.template take<T>(inputs, place);
      for (int64_t i = 0; i < inputs; ++i) {
        const uint64_t bits = random_.next();
        std::memcpy(x + i, &bits, sizeof(T));
      }
      T* out = out_.template take<T>(outputs, place);
      const std::vector<T> before(out, out + outputs);
      kernel_.turn(rows, columns, x, xRow, out, outRow);
      bool right = true;
      for (int64_t j = 0; j < columns; ++j) {
        for (int64_t i = 0; i < (j + 1 < columns ? outRow : rows); ++i) {
          const T& want = i < rows ? x[i * xRow + j] : before[static_cast<size_t>(j * outRow + i)];
          right = right && std::memcmp(&out[j * outRow + i], &want, sizeof(T)) == 0;
        }
      }
      LATENT_CHECK(right && out_.untouchedOutside(), "%s", caseText());
    }
  }

  template <class From>
  void convert(int64_t count, void (*kernel)(int64_t, const From*, T*), const char* from) {
    setCase("%s %s from %s count=%lld", table_.name, typeName<T>(), from, wide(count));
    From* x = x_.template take<From>(count, Place::kEnding);
    for (int64_t i = 0; i < count; ++i) {
      x[i] = std::is_integral_v<From> ? static_cast<From>(random_.next()) : static_cast<From>(random_.uniform(-1e9, 1e9));
    }
    T* out = out_.template take<T>(count, Place::kEnding);
    kernel(count, x, out);
    bool right = out_.untouchedOutside();
    for (int64_t i = 0; i < count; ++i) right = right && out[i] == static_cast<T>(x[i]);
    LATENT_CHECK(right, "%s", caseText());
  }

  // From and to any place in a cache line.
  void stream(int64_t count) {
    for (int64_t offset = 0; offset < 64 / static_cast<int64_t>(sizeof(T)); ++offset) {
      const Place place = offset % 2 == 0 ? Place::kBeginning : Place::kEnding;
      setCase("%s %s stream count=%lld offset=%lld", table_.name, typeName<T>(), wide(count), wide(offset));
      T* x = x_.template take<T>(count, Place::kEnding, random_.below(9));
      for (int64_t i = 0; i < count; ++i) x[i] = static_cast<T>(random_.uniform(-1, 1));
      T* out = out_.template take<T>(count, place, offset);
      kernel_.stream(count, x, out);
      table_.endStreams();
      const bool same = count == 0 || std::memcmp(x, out, static_cast<size_t>(count) * sizeof(T)) == 0;
      LATENT_CHECK(same && out_.untouchedOutside(), "%s", caseText());
    }
  }

  const KernelTable& table_;
  const FloatKernels<T>& kernel_;
  Generator random_;
  Guarded x_, y_, out_, flag_;
  std::vector<T> specials_;
  std::vector<int64_t> counts_;
};

}  // namespace

int main() {
  reportFaults();
  const uint64_t seed = test::seed();
  forEachSet([&](const KernelTable& table) {
    Sweep<float>(table, seed).run();
    Sweep<double>(table, seed).run();
  });
  return finish("test_elementwise");
}
