// The largest error of each curved function over all 2^32 floats, for every instruction set of this CPU, against the
// C library's doubles. Takes minutes; test_math.cc holds a sample to the same bounds in a moment.
//
//   ulp_all [function ...]
#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

#include "check.h"
#include "curves.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

constexpr int64_t kBlock = 1 << 14;
constexpr int64_t kBlocks = (int64_t(1) << 32) / kBlock;

struct Worst {
  double error = 0;
  float at = 0;
};

// The ulps of a float's unit in the last place at `want`, by its bits: `ulps` takes too long to be asked four thousand
// million times.
double ulpsPerUnit(double want) {
  uint64_t bits;
  std::memcpy(&bits, &want, sizeof bits);
  int exponent = static_cast<int>(bits >> 52 & 0x7ff) - 1023;
  exponent = exponent < -126 ? -126 : (exponent > 127 ? 127 : exponent);
  const uint64_t scale = static_cast<uint64_t>(23 - exponent + 1023) << 52;
  double result;
  std::memcpy(&result, &scale, sizeof result);
  return result;
}

// Of one function in every set, over the blocks that a thread takes.
void measureBlocks(const Curve& curve, const std::vector<const KernelTable*>& tables, std::atomic<int64_t>& next,
                   std::vector<Worst>& worst) {
  constexpr double beyond = 0x1p128;
  std::vector<float> x(kBlock), got(kBlock);
  std::vector<double> want(kBlock), scale(kBlock);
  for (int64_t block = next++; block < kBlocks; block = next++) {
    for (int64_t i = 0; i < kBlock; ++i) {
      const uint32_t bits = static_cast<uint32_t>(block * kBlock + i);
      std::memcpy(&x[i], &bits, sizeof bits);
      want[i] = trueValue(curve.op, static_cast<double>(x[i]));
      want[i] = want[i] > beyond ? beyond : (want[i] < -beyond ? -beyond : want[i]);
      scale[i] = ulpsPerUnit(want[i]);
    }
    for (size_t s = 0; s < tables.size(); ++s) {
      tables[s]->f32.unary[static_cast<int>(curve.op)](kBlock, x.data(), got.data());
      for (int64_t i = 0; i < kBlock; ++i) {
        const double g = static_cast<double>(got[i]);
        const double finite = g > beyond ? beyond : (g < -beyond ? -beyond : g);
        // Also where either is NaN; zeros may have the wrong sign.
        if (std::fabs(finite - want[i]) * scale[i] <= worst[s].error && g != 0) continue;
        const double error = ulps(got[i], want[i]);
        if (error > worst[s].error) worst[s] = {error, x[i]};
      }
    }
  }
}

void measure(const Curve& curve, const std::vector<const KernelTable*>& tables) {
  const size_t threadCount = std::thread::hardware_concurrency() > 0 ? std::thread::hardware_concurrency() : 1;
  std::vector<std::vector<Worst>> found(threadCount, std::vector<Worst>(tables.size()));
  std::atomic<int64_t> next{0};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < threadCount; ++t) {
    threads.emplace_back([&, t] { measureBlocks(curve, tables, next, found[t]); });
  }
  for (std::thread& thread : threads) thread.join();
  std::printf("%-9s", curve.name);
  for (size_t s = 0; s < tables.size(); ++s) {
    Worst worst;
    for (const std::vector<Worst>& one : found) {
      if (one[s].error > worst.error) worst = one[s];
    }
    std::printf(" %s %.3f at %.9g", tables[s]->name, worst.error, static_cast<double>(worst.at));
    const double bound = curve.inFloat.of(*tables[s]);
    std::printf(" <= %g", bound);
    LATENT_CHECK(worst.error <= bound, "%s %s: %g ulp, the bound is %g", tables[s]->name, curve.name, worst.error, bound);
  }
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<const KernelTable*> tables;
  forEachSet([&](const KernelTable& table) { tables.push_back(&table); });
  for (int i = 1; i < argc; ++i) {
    bool known = false;
    for (const Curve& curve : kCurves) known = known || std::strcmp(argv[i], curve.name) == 0;
    if (known) continue;
    std::printf("no function '%s'; there are", argv[i]);
    for (const Curve& curve : kCurves) std::printf(" %s", curve.name);
    std::printf("\n");
    return 1;
  }
  for (const Curve& curve : kCurves) {
    bool wanted = argc == 1;
    for (int i = 1; i < argc; ++i) wanted = wanted || std::strcmp(argv[i], curve.name) == 0;
    if (wanted) measure(curve, tables);
  }
  return finish("ulp_all");
}
