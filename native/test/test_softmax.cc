// softmax, its logarithm and log Σ exp over rows, of every instruction set.
#include <algorithm>
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

enum class Fill { kOrdinary, kSpread, kHuge, kMasked, kFirstMasked, kAllMasked, kInfinite, kNan, kCount };

template <class T>
class Sweep {
 public:
  Sweep(const KernelTable& table, uint64_t seed)
      : table_(table), kernel_(floatKernels<T>(table)), random_(seed), x_(kRoom), y_(kRoom), out_(kRoom) {}

  void run() {
    std::vector<int64_t> counts;
    for (int64_t n = 0; n <= 3 * kWidest<T> + 1; ++n) counts.push_back(n);
    counts.push_back(1000);
    counts.push_back(10007);
    for (int64_t count : counts) {
      for (int fill = 0; fill < static_cast<int>(Fill::kCount); ++fill) {
        for (Place place : {Place::kEnding, Place::kBeginning}) {
          for (bool inPlace : {false, true}) row(count, static_cast<Fill>(fill), place, inPlace);
        }
      }
      for (Place place : {Place::kEnding, Place::kBeginning}) {
        for (bool inPlace : {false, true}) {
          gradients(count < 2000 ? count : 2001, place, inPlace);
        }
        if (count == 0) continue;
        // Rows beside one another, by whole vectors and more and fewer of them.
        for (int64_t rows : {1, 2, 15, 16, 17, 35}) {
          if (static_cast<size_t>(rows * count) * sizeof(T) > kRoom) continue;
          for (int how = 0; how < static_cast<int>(Fill::kCount); ++how) {
            crossEntropy(rows, count, static_cast<Fill>(how), place, random_.below(2) == 0);
          }
        }
      }
    }
  }

 private:
  static constexpr size_t kRoom = size_t(1) << 17;

  void fill(T* p, int64_t count, Fill how) {
    const T inf = std::numeric_limits<T>::infinity();
    for (int64_t i = 0; i < count; ++i) {
      const double x = random_.uniform(-3, 3);
      switch (how) {
        case Fill::kSpread: p[i] = static_cast<T>(40 * x); break;
        case Fill::kHuge: p[i] = static_cast<T>(x + 10000); break;
        case Fill::kMasked: p[i] = random_.below(3) == 0 ? -inf : static_cast<T>(x); break;
        case Fill::kAllMasked: p[i] = -inf; break;
        default: p[i] = static_cast<T>(x); break;
      }
    }
    if (count == 0) return;
    if (how == Fill::kFirstMasked) p[0] = -inf;
    if (how == Fill::kInfinite) p[random_.below(count)] = inf;
    if (how == Fill::kNan) p[random_.below(count)] = std::numeric_limits<T>::quiet_NaN();
  }

  void row(int64_t count, Fill how, Place place, bool inPlace) {
    setCase("%s %s softmax count=%lld fill=%d place=%d inPlace=%d", table_.name, typeName<T>(), wide(count),
            static_cast<int>(how), static_cast<int>(place), inPlace);
    T* x = x_.template take<T>(count, place);
    fill(x, count, how);
    const std::vector<T> input(x, x + count);
    const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
    // A last bit of the shifted argument moves an exponential by as much as the argument is large.
    double reach = 8;
    for (T v : input) reach = std::isfinite(v) ? std::fmax(reach, std::fabs(static_cast<double>(v))) : reach;
    const double relative = 8 + 2 * reach + std::sqrt(static_cast<double>(count));

    const T total = kernel_.logSumExpRow(count, x);
    const double wantTotal = referenceLogSumExp(count, input.data());
    LATENT_CHECK(close(total, wantTotal, relative, 16 * eps), "%s: logSumExp is %.17g instead of %.17g", caseText(),
                 static_cast<double>(total), wantTotal);
    LATENT_CHECK(x_.untouchedOutside() && (count == 0 || std::memcmp(x, input.data(), input.size() * sizeof(T)) == 0),
                 "%s: logSumExp changed its input", caseText());

    T* out = inPlace ? x : out_.template take<T>(count, place);
    kernel_.softmaxRow(count, x, out);
    const std::vector<double> want = referenceSoftmax(count, input.data());
    double sum = 0;
    bool anyNan = false;
    for (int64_t i = 0; i < count; ++i) {
      sum += static_cast<double>(out[i]);
      anyNan = anyNan || std::isnan(out[i]);
      LATENT_CHECK(close(out[i], want[static_cast<size_t>(i)], relative), "%s: softmax[%lld] is %.17g instead of %.17g",
                   caseText(), wide(i), static_cast<double>(out[i]), want[static_cast<size_t>(i)]);
    }
    const bool bad = how == Fill::kInfinite || how == Fill::kNan || how == Fill::kAllMasked ||
                     (count == 1 && how == Fill::kFirstMasked) || std::isinf(wantTotal);
    LATENT_CHECK(count == 0 || (bad ? anyNan : std::fabs(sum - 1) <= relative * eps), "%s: softmax adds up to %.17g",
                 caseText(), sum);
    LATENT_CHECK((inPlace ? x_ : out_).untouchedOutside(), "%s: softmax wrote outside", caseText());

    std::copy(input.begin(), input.end(), x);
    kernel_.logSoftmaxRow(count, x, out);
    const std::vector<double> wantLog = referenceLogSoftmax(count, input.data());
    for (int64_t i = 0; i < count; ++i) {
      LATENT_CHECK(close(out[i], wantLog[static_cast<size_t>(i)], relative, 4 * relative * eps),
                   "%s: logSoftmax[%lld] is %.17g instead of %.17g", caseText(), wide(i), static_cast<double>(out[i]),
                   wantLog[static_cast<size_t>(i)]);
    }
    LATENT_CHECK((inPlace ? x_ : out_).untouchedOutside(), "%s: logSoftmax wrote outside", caseText());
  }

  // Both gradients on a row that adds up to one, against their sums written out.
  void gradients(int64_t count, Place place, bool inPlace) {
    setCase("%s %s softmax gradient count=%lld place=%d inPlace=%d", table_.name, typeName<T>(), wide(count),
            static_cast<int>(place), inPlace);
    std::vector<T> logits(static_cast<size_t>(count));
    fill(logits.data(), count, Fill::kOrdinary);
    const std::vector<double> p = referenceSoftmax(count, logits.data());
    const std::vector<double> logP = referenceLogSoftmax(count, logits.data());
    for (bool log : {false, true}) {
      T* g = x_.template take<T>(count, place);
      T* y = y_.template take<T>(count, place);
      fill(g, count, Fill::kOrdinary);
      for (int64_t i = 0; i < count; ++i) y[i] = static_cast<T>((log ? logP : p)[static_cast<size_t>(i)]);
      const std::vector<double> want =
          log ? referenceLogSoftmaxGradient(count, g, y) : referenceSoftmaxGradient(count, g, y);
      T* out = inPlace ? g : out_.template take<T>(count, place);
      (log ? kernel_.logSoftmaxGradientRow : kernel_.softmaxGradientRow)(count, g, y, out);
      // g and its weighted mean cancel; what is left has the error of terms as large as they (up to 6), times y.
      const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
      for (int64_t i = 0; i < count; ++i) {
        const size_t k = static_cast<size_t>(i);
        const double scale = log ? 6 + p[k] * 6 * std::sqrt(static_cast<double>(count)) : 6 * p[k];
        LATENT_CHECK(close(out[i], want[k], 8, 8 * eps * scale), "%s: %s[%lld] is %.17g instead of %.17g", caseText(),
                     log ? "logSoftmax" : "softmax", wide(i), static_cast<double>(out[i]), want[k]);
      }
      LATENT_CHECK((inPlace ? x_ : out_).untouchedOutside() && y_.untouchedOutside(), "%s: wrote outside", caseText());
    }
  }

  void crossEntropy(int64_t rows, int64_t count, Fill how, Place place, bool inPlace) {
    setCase("%s %s cross-entropy rows=%lld count=%lld fill=%d place=%d inPlace=%d", table_.name, typeName<T>(), wide(rows),
            wide(count), static_cast<int>(how), static_cast<int>(place), inPlace);
    const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
    T* x = x_.template take<T>(rows * count, place);
    std::vector<int64_t> labels;
    std::vector<T> slopes;
    for (int64_t i = 0; i < rows; ++i) {
      fill(x + i * count, count, how);
      labels.push_back(random_.below(count));
      slopes.push_back(static_cast<T>(random_.uniform(-2, 2)));
    }
    const std::vector<T> input(x, x + rows * count);
    T* losses = y_.template take<T>(rows, place);
    kernel_.crossEntropyRows(rows, count, x, labels.data(), losses);
    LATENT_CHECK(x_.untouchedOutside() && y_.untouchedOutside(), "%s: wrote outside", caseText());
    LATENT_CHECK(std::memcmp(x, input.data(), input.size() * sizeof(T)) == 0, "%s: changed its input", caseText());
    const std::vector<T> made(losses, losses + rows);

    T* g = y_.template take<T>(rows, place);
    std::copy(slopes.begin(), slopes.end(), g);
    T* out = inPlace ? x : out_.template take<T>(rows * count, place);
    kernel_.crossEntropyGradientRows(rows, count, x, labels.data(), g, out);
    LATENT_CHECK((inPlace ? x_ : out_).untouchedOutside() && y_.untouchedOutside(), "%s: wrote outside", caseText());

    for (int64_t i = 0; i < rows; ++i) {
      const T* row = input.data() + i * count;
      const int64_t label = labels[static_cast<size_t>(i)];
      double reach = 8;
      for (int64_t c = 0; c < count; ++c) {
        reach = std::isfinite(row[c]) ? std::fmax(reach, std::fabs(static_cast<double>(row[c]))) : reach;
      }
      const double relative = 8 + 2 * reach + std::sqrt(static_cast<double>(count));
      const double loss = referenceLogSumExp(count, row) - static_cast<double>(row[label]);
      LATENT_CHECK(close(made[static_cast<size_t>(i)], loss, relative, 2 * relative * eps),
                   "%s: loss[%lld] is %.17g instead of %.17g", caseText(), wide(i),
                   static_cast<double>(made[static_cast<size_t>(i)]), loss);
      const double slope = static_cast<double>(slopes[static_cast<size_t>(i)]);
      const std::vector<double> want = referenceCrossEntropyGradient(count, row, label, slope);
      for (int64_t c = 0; c < count; ++c) {
        // At the label, 1 is taken from a probability that may be near to it.
        const double absolute = c == label ? 2 * relative * eps : 0;
        LATENT_CHECK(close(out[i * count + c], want[static_cast<size_t>(c)], 12 + relative, absolute),
                     "%s: slope[%lld][%lld] is %.17g instead of %.17g", caseText(), wide(i), wide(c),
                     static_cast<double>(out[i * count + c]), want[static_cast<size_t>(c)]);
      }
    }
  }

  const KernelTable& table_;
  const FloatKernels<T>& kernel_;
  Generator random_;
  Guarded x_, y_, out_;
};

}  // namespace

int main() {
  reportFaults();
  const uint64_t seed = test::seed();
  forEachSet([&](const KernelTable& table) {
    Sweep<float>(table, seed).run();
    Sweep<double>(table, seed).run();
  });
  return finish("test_softmax");
}
