// The optimizers' steps, of every instruction set, three in a row for each rule's variants.
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
      : table_(table), kernel_(floatKernels<T>(table)), random_(seed), weight_(kRoom), gradient_(kRoom), first_(kRoom),
        second_(kRoom), third_(kRoom) {}

  void run() {
    std::vector<int64_t> counts{1000};
    for (int64_t n = 0; n <= 3 * kWidest<T> + 1; ++n) counts.push_back(n);
    for (int64_t count : counts) {
      for (Place place : {Place::kEnding, Place::kBeginning}) {
        for (const Variant& variant : kVariants) update(count, place, variant);
      }
      squares(count);
    }
  }

 private:
  static constexpr size_t kRoom = size_t(1) << 14;

  T* take(Guarded& memory, int64_t count, Place place, double low, double high, std::vector<double>* copy) {
    T* p = memory.template take<T>(count, place);
    for (int64_t i = 0; i < count; ++i) p[i] = static_cast<T>(random_.uniform(low, high));
    if (copy != nullptr) copy->assign(p, p + count);
    return p;
  }

  void check(const T* got, const std::vector<double>& want, const char* what) {
    for (size_t i = 0; i < want.size(); ++i) {
      LATENT_CHECK(close(got[i], want[i], 16, 8 * static_cast<double>(std::numeric_limits<T>::epsilon())),
                   "%s: %s[%zu] is %.17g instead of %.17g", caseText(), what, i, static_cast<double>(got[i]), want[i]);
    }
  }

  // The kernel's inputs are rounded to T; the reference gets the same numbers.
  static double rounded(double x) { return static_cast<double>(static_cast<T>(x)); }

  struct Variant {
    Rule rule;
    // The kept tensors, as bits; and whether with decay and half of the gradient, decoupled, Nesterov's look ahead, clipped.
    int kept;
    bool decays, decoupled, nesterov, clips;
  };
  static constexpr Variant kVariants[] = {
      {Rule::kSgd, 0, false, false, false, false},      {Rule::kSgd, 0, true, false, false, true},
      {Rule::kSgd, 1, false, false, false, false},      {Rule::kSgd, 1, true, false, false, false},
      {Rule::kSgd, 1, false, false, true, false},       {Rule::kSgd, 1, true, false, true, true},
      {Rule::kAdam, 3, false, false, false, false},     {Rule::kAdam, 3, true, false, false, true},
      {Rule::kAdam, 3, false, true, false, false},      {Rule::kAdam, 3, true, true, false, false},
      {Rule::kAdamax, 3, false, false, false, false},   {Rule::kAdamax, 3, true, false, false, true},
      {Rule::kRmsProp, 1, false, false, false, false},  {Rule::kRmsProp, 3, true, false, false, false},
      {Rule::kRmsProp, 5, false, false, false, true},   {Rule::kRmsProp, 7, true, false, false, false},
      {Rule::kAdagrad, 1, false, false, false, false},  {Rule::kAdagrad, 1, true, false, false, true},
      {Rule::kAdadelta, 3, false, false, false, false}, {Rule::kAdadelta, 3, true, false, false, true},
      {Rule::kLamb, 7, false, true, false, false},      {Rule::kLamb, 7, true, true, false, true}};

  void update(int64_t count, Place place, const Variant& variant) {
    UpdateArgs args{};
    args.rate = rounded(0.01);
    args.weightDecay = variant.decays ? rounded(0.1) : 0;
    args.gradScale = variant.decays ? 0.5 : 1;
    args.clip = variant.clips ? 0.375 : std::numeric_limits<double>::infinity();
    args.momentum = rounded(0.9);
    args.beta1 = 0.875;
    // Nothing corrects the averages of RMSProp, whose first steps would be long.
    args.beta2 = variant.rule == Rule::kRmsProp ? 0.625 : 1 - 0x1p-10;
    args.epsilon = rounded(1e-5);
    args.nesterov = variant.nesterov;
    args.decoupled = variant.decoupled;
    setCase("%s %s rule=%d kept=%d decays=%d decoupled=%d nesterov=%d clips=%d count=%lld place=%d", table_.name,
            typeName<T>(), static_cast<int>(variant.rule), variant.kept, variant.decays, variant.decoupled,
            variant.nesterov, variant.clips, wide(count), static_cast<int>(place));
    Guarded* const memories[kMaxKept] = {&first_, &second_, &third_};
    std::vector<double> w, states[kMaxKept];
    T* weight = take(weight_, count, place, -1, 1, &w);
    T* kept[kMaxKept];
    // The first step of a momentum must not read what its place held.
    const double held = variant.rule == Rule::kSgd ? 100 : 0;
    for (int j = 0; j < kMaxKept; ++j) {
      kept[j] = (variant.kept >> j & 1) != 0 ? take(*memories[j], count, place, held, 2 * held, &states[j]) : nullptr;
    }
    for (int step = 0; step < 3; ++step) {
      args.firstStep = step == 0;
      args.correction1 = 1 - std::pow(args.beta1, step + 1);
      args.correction2 = 1 - std::pow(args.beta2, step + 1);
      // Bounded away from 0, where √v + ε amplifies every rounding; varied enough that its variance is, too.
      T* gradient = take(gradient_, count, place, 0.5, 1, nullptr);
      for (int64_t i = 0; step % 2 == 1 && i < count; ++i) gradient[i] = -gradient[i];
      kernel_.update[static_cast<int>(variant.rule)](count, weight, gradient, kept, args);
      for (int64_t i = 0; i < count; ++i) {
        const size_t at = static_cast<size_t>(i);
        double* const places[kMaxKept] = {kept[0] == nullptr ? nullptr : &states[0][at],
                                          kept[1] == nullptr ? nullptr : &states[1][at],
                                          kept[2] == nullptr ? nullptr : &states[2][at]};
        referenceUpdate(variant.rule, &w[at], static_cast<double>(gradient[i]), places, args);
      }
      check(weight, w, "weight");
      for (int j = 0; j < kMaxKept; ++j) {
        if (kept[j] != nullptr) check(kept[j], states[j], "what is kept");
      }
    }
    LATENT_CHECK(weight_.untouchedOutside(), "%s: wrote outside the weight", caseText());
    for (int j = 0; j < kMaxKept; ++j) {
      LATENT_CHECK(kept[j] == nullptr || memories[j]->untouchedOutside(), "%s: wrote outside of what is kept", caseText());
    }
  }

  void squares(int64_t count) {
    setCase("%s %s sumOfSquares count=%lld", table_.name, typeName<T>(), wide(count));
    const T* x = take(gradient_, count, Place::kEnding, -1, 1, nullptr);
    double want = 0;
    for (int64_t i = 0; i < count; ++i) want += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    const double got = kernel_.sumOfSquares(count, x);
    LATENT_CHECK(std::fabs(got - want) <= 1e-13 * want, "%s: %.17g instead of %.17g", caseText(), got, want);
  }

  const KernelTable& table_;
  const FloatKernels<T>& kernel_;
  Generator random_;
  Guarded weight_, gradient_, first_, second_, third_;
};

}  // namespace

int main() {
  reportFaults();
  const uint64_t seed = test::seed();
  forEachSet([&](const KernelTable& table) {
    Sweep<float>(table, seed).run();
    Sweep<double>(table, seed).run();
  });
  return finish("test_optim");
}
