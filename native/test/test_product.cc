// latent::gemm of the instruction set named by the argument: cutting, packing, threads and packed weights.
#include <cstdlib>
#include <limits>
#include <thread>
#include <vector>

#include "check.h"
#include "generator.h"
#include "guard.h"
#include "kernels/unary.h"
#include "reference.h"
#include "runtime/gemm/blocking.h"
#include "runtime/threads.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

constexpr double kGap = 54321;

template <class T>
struct Problem {
  int64_t m, n, k;
  bool transposedA, transposedB, integers, withBias, withStart;
  Unary function;
  int64_t cRow;
  std::vector<T> a, b, bias, start;

  Problem(Generator& random, int64_t m_, int64_t n_, int64_t k_, int form, bool integers_, int epilogue)
      : m(m_), n(n_), k(k_), transposedA(form & 1), transposedB(form & 2), integers(integers_), withBias(epilogue & 1),
        withStart(epilogue & 1 && random.below(2) == 0), cRow(n_ + random.below(3)) {
    // Curved functions, of the epilogue and others, only where the comparison has a tolerance anyway.
    const Unary curved[] = {Unary::kTanh, Unary::kSigmoid, Unary::kGelu, Unary::kSilu, Unary::kSoftsign};
    const Unary functions[] = {kNoUnary, Unary::kRelu, integers ? Unary::kRelu : curved[random.below(5)]};
    function = functions[epilogue / 2 % 3];
    fill(random, a, m * k);
    fill(random, b, k * n);
    if (withBias) fill(random, bias, n);
    if (withStart) fill(random, start, m * cRow);
    setCase("%s %s m=%lld n=%lld k=%lld transposed=%d%d integers=%d bias=%d start=%d function=%d", kernels().name,
            typeName<T>(), wide(m), wide(n), wide(k), transposedA, transposedB, integers, withBias, withStart,
            static_cast<int>(function));
  }

  void fill(Generator& random, std::vector<T>& v, int64_t count) const {
    // Never empty: an empty vector has no address to pass.
    v.resize(static_cast<size_t>(count) + 1);
    for (T& x : v) x = static_cast<T>(integers ? random.integer() : random.uniform(-1, 1));
  }

  Matrix<const T> left() const { return {a.data(), transposedA ? 1 : k, transposedA ? m : 1}; }
  Matrix<const T> right(const T* data) const { return {data, transposedB ? 1 : n, transposedB ? k : 1}; }

  bool readsPacked() const {
    const Matrix<const T> l = left(), r = right(b.data());
    return m > 0 && n > 0 && k > 0 &&
           !planGemm(floatKernels<T>(kernels()).gemmShape, sizeof(T), m, n, k, {l.column == 1, l.row == 1},
                     {r.column == 1, r.row == 1}, true)
                .dots;
  }

  // The product of `data` as B, in rows cRow apart, over NaNs and gaps of kGap.
  std::vector<T> run(const T* data, Storage* weight, Status expected = Status::kOk) const {
    std::vector<T> c(static_cast<size_t>(m * cRow) + 1, std::numeric_limits<T>::quiet_NaN());
    for (size_t i = 0; i < c.size(); ++i) {
      if (m == 0 || static_cast<int64_t>(i) % (cRow == 0 ? 1 : cRow) >= n) c[i] = static_cast<T>(kGap);
    }
    c.back() = static_cast<T>(kGap);
    // A start goes before the bias.
    const Epilogue<T> epilogue{withBias ? bias.data() : nullptr, withStart ? start.data() : nullptr, function};
    const Status status = gemm<T>(m, n, k, left(), right(data), c.data(), cRow, epilogue, weight, 0);
    LATENT_CHECK(status == expected, "%s: status %d", caseText(), static_cast<int>(status));
    return c;
  }

  void check(const std::vector<T>& c, const T* data, const char* what) const {
    Product want = referenceGemm<T>(m, n, k, left(), right(data), withStart ? start.data() : nullptr, cRow,
                                    withBias && !withStart ? bias.data() : nullptr, function);
    const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < cRow; ++j) {
        const double got = static_cast<double>(c[static_cast<size_t>(i * cRow + j)]);
        if (j >= n) {
          LATENT_CHECK(got == kGap, "%s, %s: the gap at (%lld, %lld) was written", caseText(), what, wide(i), wide(j));
          continue;
        }
        const size_t index = static_cast<size_t>(i * n + j);
        const double value = want.value[index];
        double allowed = integers ? 0 : 8 * std::sqrt(static_cast<double>(k + 1)) * eps * want.magnitude[index];
        if (function != kNoUnary && function != Unary::kRelu) allowed = 1.2 * allowed + 32 * eps * (1 + std::fabs(value));
        LATENT_CHECK(std::fabs(got - value) <= allowed, "%s, %s: (%lld, %lld) is %.17g instead of %.17g", caseText(), what,
                     wide(i), wide(j), got, value);
      }
    }
    LATENT_CHECK(static_cast<double>(c.back()) == kGap, "%s, %s: wrote past C", caseText(), what);
  }
};

// Whether a set of one lane, which is slow, leaves large products to the full sweep.
template <class T>
bool thins() {
  return !fullSweep() && floatKernels<T>(kernels()).gemmShape.lanes == 1;
}

template <class T>
bool sameBits(const std::vector<T>& x, const std::vector<T>& y) {
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0;
}

// A weight that keeps its packed form: packed anew after touch(), and only then.
template <class T>
void keptWeight(const Problem<T>& p) {
  Account account;
  const size_t bytes = static_cast<size_t>(p.k * p.n) * sizeof(T);
  Storage* weight = Storage::create(&account, bytes);
  if (weight == nullptr) {
    LATENT_CHECK(false, "%s: no memory", caseText());
    return;
  }
  T* data = reinterpret_cast<T*>(weight->data());
  if (bytes > 0) std::memcpy(data, p.b.data(), bytes);
  weight->keepPacked();

  const std::vector<T> fresh = p.run(data, weight);
  p.check(fresh, data, "packed");
  // The first product packs in passing, the second for good.
  LATENT_CHECK(sameBits(fresh, p.run(data, weight)), "%s: the second product differs from the first", caseText());

  for (int64_t i = 0; i < p.k * p.n; ++i) data[i] = -data[i] + T(1);
  // Where the weight is read in place there is no form to keep.
  if (p.readsPacked()) {
    LATENT_CHECK(sameBits(fresh, p.run(data, weight)), "%s: the packed form was not kept while the version stood",
                 caseText());
  } else {
    p.check(p.run(data, weight), data, "in place");
  }
  weight->touch();
  p.check(p.run(data, weight), data, "packed after touch()");
  weight->release();
  LATENT_CHECK(account.live == 0, "%s: %lld bytes stay counted", caseText(), wide(account.live));
}

template <class T>
void small(Generator& random) {
  std::vector<int64_t> sizes{0, 1, 2, 3, 4, 5, 7, 12, 13, 17, 32, 33};
  if (fullSweep()) {
    sizes.clear();
    for (int64_t i = 0; i <= 40; ++i) sizes.push_back(i);
  }
  int64_t number = 0;
  for (int64_t m : sizes) {
    for (int64_t n : sizes) {
      for (int64_t k : sizes) {
        for (int form = 0; form < 4; ++form, ++number) {
          threads::setCount(1 + static_cast<int>(number % 4));
          const Problem<T> exact(random, m, n, k, form, true, static_cast<int>(number % 6));
          exact.check(exact.run(exact.b.data(), nullptr), exact.b.data(), "plain");
          keptWeight(exact);
          const Problem<T> real(random, m, n, k, form, false, static_cast<int>(number / 4 % 6));
          real.check(real.run(real.b.data(), nullptr), real.b.data(), "plain");
        }
      }
    }
  }
}

// Large enough to be split over threads: several blocks of the depth, of the rows, many panels, few rows.
template <class T>
void large(Generator& random) {
  const int64_t shapes[][3] = {{100, 70, 600}, {193, 33, 513}, {1, 3000, 300}, {3, 700, 301},  {97, 97, 97}, {300, 200, 40},
                               {13, 1000, 50}, {4, 500, 300},  {500, 7, 257},  {20, 300, 200}, {33, 70, 400}};
  int epilogue = 0;
  for (const int64_t* shape : shapes) {
    for (int form = 0; form < 4; ++form) {
      if (thins<T>() && form % 3 != 0) continue;
      for (bool integers : {true, false}) {
        const Problem<T> p(random, shape[0], shape[1], shape[2], form, integers, epilogue++ % 6);
        threads::setCount(1);
        const std::vector<T> one = p.run(p.b.data(), nullptr);
        p.check(one, p.b.data(), "one thread");
        for (int threads = 2; threads <= 4; ++threads) {
          threads::setCount(threads);
          LATENT_CHECK(sameBits(one, p.run(p.b.data(), nullptr)), "%s: %d threads give other bits than one", caseText(),
                       threads);
        }
        if (integers) keptWeight(p);
      }
    }
  }
}

// Too large for the reference: C·t against A·(B·t), of integers that every sum holds exactly.
template <class T>
void checksums(Generator& random) {
  const int64_t shapes[][3] = {{1024, 1024, 1024}, {1500, 700, 2000}, {64, 3072, 768},
                               {8, 4096, 1024},    {4096, 10, 1000},  {2, 2048, 2048}};
  for (const int64_t* shape : shapes) {
    const int64_t m = shape[0], n = shape[1], k = shape[2];
    for (int form = 0; form < 4; ++form) {
      if ((thinning() > 1 && form > 0) || (thins<T>() && m * n * k > 500'000'000)) break;
      const Problem<T> p(random, m, n, k, form, true, 0);
      std::vector<double> t(static_cast<size_t>(n)), bt(static_cast<size_t>(k), 0);
      for (double& x : t) x = random.integer();
      const Matrix<const T> a = p.left(), b = p.right(p.b.data());
      for (int64_t q = 0; q < k; ++q) {
        for (int64_t j = 0; j < n; ++j)
          bt[size_t(q)] += static_cast<double>(b.data[q * b.row + j * b.column]) * t[size_t(j)];
      }
      threads::setCount(1 + form % 3);
      const std::vector<T> c = p.run(p.b.data(), nullptr);
      for (int64_t i = 0; i < m; ++i) {
        double got = 0, want = 0;
        for (int64_t j = 0; j < n; ++j) got += static_cast<double>(c[size_t(i * p.cRow + j)]) * t[size_t(j)];
        for (int64_t q = 0; q < k; ++q) want += static_cast<double>(a.data[i * a.row + q * a.column]) * bt[size_t(q)];
        LATENT_CHECK(got == want, "%s: the checksum of row %lld is %.17g instead of %.17g", caseText(), wide(i), got, want);
      }
    }
  }
}

// One weight read in three ways has two places for packed forms; whichever gives way, each product stays right.
template <class T>
void threeReadings(Generator& random) {
  const Problem<T> plain(random, 9, 24, 24, 0, true, 0), transposed(random, 9, 24, 24, 2, true, 0),
      part(random, 9, 16, 24, 0, true, 0);
  Account account;
  Storage* weight = Storage::create(&account, 24 * 24 * sizeof(T));
  LATENT_CHECK(weight != nullptr, "no memory");
  if (weight == nullptr) return;
  T* data = reinterpret_cast<T*>(weight->data());
  weight->keepPacked();
  for (int round = 0; round < 24; ++round) {
    if (round % 5 == 0) {
      for (int i = 0; i < 24 * 24; ++i) data[i] = static_cast<T>(random.integer());
      weight->touch();
    }
    const Problem<T>& p = round % 7 == 6 ? part : (round % 2 == 0 ? plain : transposed);
    setCase("%s %s three readings, round %d", kernels().name, typeName<T>(), round);
    p.check(p.run(data, weight), data, "packed");
  }
  weight->release();
  LATENT_CHECK(account.live == 0, "three readings: %lld bytes stay counted", wide(account.live));
}

// Without memory for packing the blocks are smaller, and the bits the same; where a copy of B is needed its refusal is a
// status, and C is left alone.
template <class T>
void refusedMemory(Generator& random) {
  const int64_t shapes[][3] = {{9, 24, 24}, {40, 70, 77}, {300, 100, 600}};
  for (const int64_t* shape : shapes) {
    for (int form = 0; form < 4; ++form) {
      const Problem<T> p(random, shape[0], shape[1], shape[2], form, false, 2);
      threads::setCount(1);
      const std::vector<T> want = p.run(p.b.data(), nullptr);
      Account account;
      const size_t bytes = static_cast<size_t>(p.n * p.k) * sizeof(T);
      Storage* weight = Storage::create(&account, bytes);
      LATENT_CHECK(weight != nullptr, "no memory");
      if (weight == nullptr) return;
      std::memcpy(weight->data(), p.b.data(), bytes);
      weight->keepPacked();
      const std::vector<T> kept = p.run(p.b.data(), weight);
      weight->touch();
      weight->dropPacked();
      // A thread of its own has no buffers yet.
      std::thread([&] {
        memory::refuseAfter(1, true);
        const std::vector<T> refused = p.run(p.b.data(), nullptr);
        const std::vector<T> refusedKept = p.run(p.b.data(), weight);
        memory::refuseAfter(0, false);
        LATENT_CHECK(sameBits(want, refused), "%s: other bits without memory", caseText());
        LATENT_CHECK(sameBits(kept, refusedKept), "%s: other bits without memory for the packed form", caseText());
      }).join();
      LATENT_CHECK(sameBits(kept, p.run(p.b.data(), weight)), "%s: other bits after a refusal", caseText());
      weight->release();
      LATENT_CHECK(account.live == 0, "refused memory: %lld bytes stay counted", wide(account.live));
    }
  }
  const GemmShape& gemmShape = floatKernels<T>(kernels()).gemmShape;
  if (gemmShape.lanes < 2) return;
  const Problem<T> narrow(random, 3 * gemmShape.mr, 2, 24, 0, true, 0);
  memory::refuseAfter(1, true);
  const std::vector<T> refused = narrow.run(narrow.b.data(), nullptr, Status::kOutOfMemory);
  memory::refuseAfter(0, false);
  LATENT_CHECK(refused[0] != refused[0], "%s: C was written without memory to do so", caseText());
  narrow.check(narrow.run(narrow.b.data(), nullptr), narrow.b.data(), "after a refusal");
}

// The error of a long sum in relation to the largest element, by each way that a product takes. A single chain of float32
// is 10 to 100 times as far off.
void longSums(Generator& random) {
  for (const int64_t k : {int64_t(3072), int64_t(100'000), int64_t(400'001)}) {
    if (k > 100'000 && !fullSweep()) break;
    // Tiles, dot products of few rows, of few columns, and on a copy of B.
    const int64_t sizes[][3] = {{9, 33, 0}, {33, 9, 3}, {2, 20, 2}, {20, 3, 0}, {20, 3, 2}};
    for (const auto& size : sizes) {
      for (const bool constant : {false, true}) {
        Problem<float> p(random, size[0], size[1], k, static_cast<int>(size[2]), false, 0);
        for (int64_t i = 0; constant && i < p.m * k; ++i) p.a[static_cast<size_t>(i)] = 0.1f;
        for (int64_t i = 0; constant && i < p.n * k; ++i) p.b[static_cast<size_t>(i)] = 1;
        threads::setCount(2);
        const std::vector<float> got = p.run(p.b.data(), nullptr);
        const Product want =
            referenceGemm<float>(p.m, p.n, k, p.left(), p.right(p.b.data()), nullptr, 0, nullptr, kNoUnary);
        double error = 0, largest = 0;
        for (int64_t i = 0; i < p.m * p.n; ++i) {
          const double value = want.value[static_cast<size_t>(i)];
          error = std::fmax(error,
                            std::fabs(static_cast<double>(got[static_cast<size_t>(i / p.n * p.cRow + i % p.n)]) - value));
          largest = std::fmax(largest, std::fabs(value));
        }
        LATENT_CHECK(error <= (constant ? 6e-6 : 1.5e-6) * largest,
                     "%s, constant=%d: the error is %.2g of the largest element", caseText(), constant, error / largest);
      }
    }
  }
}

template <class T>
void all(uint64_t seed) {
  Generator random(seed);
  refusedMemory<T>(random);
  threeReadings<T>(random);
  large<T>(random);
  checksums<T>(random);
  small<T>(random);
}

}  // namespace

int main(int argc, char** argv) {
  if (const int status = chooseSet(argc, argv); status != 0) return status;
  const uint64_t seed = test::seed();
  all<float>(seed);
  all<double>(seed);
  Generator random(seed);
  longSums(random);
  return finish("test_product");
}
