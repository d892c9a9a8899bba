// Where a plan's buffers lie: none in another's place while both are needed, and the block hardly longer than it must be.
#include "runtime/plan/layout.h"

#include "check.h"
#include "generator.h"

using namespace latent;

namespace {

bool meet(const Buffer& a, const Buffer& b) { return a.first <= b.last && b.first <= a.last; }

void checkLayout(std::vector<Buffer> buffers, double most, const char* what) {
  const int64_t total = layOut(buffers), least = leastBytes(buffers);
  LATENT_CHECK(total >= least, "%s: %lld bytes, but %lld are needed at once", what, test::wide(total), test::wide(least));
  LATENT_CHECK(static_cast<double>(total) <= most * static_cast<double>(least), "%s: %lld bytes where %lld would do", what,
               test::wide(total), test::wide(least));
  for (size_t i = 0; i < buffers.size(); ++i) {
    const Buffer& a = buffers[i];
    LATENT_CHECK(a.offset >= 0 && a.offset % 64 == 0 && a.offset + a.bytes <= total, "%s: buffer %zu at %lld", what, i,
                 test::wide(a.offset));
    for (size_t j = 0; j < i; ++j) {
      const Buffer& b = buffers[j];
      if (!meet(a, b) || a.bytes == 0 || b.bytes == 0) continue;
      LATENT_CHECK(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset, "%s: buffers %zu and %zu overlap", what,
                   i, j);
    }
  }
}

// The most that is needed at a step, step by step.
int64_t slowLeast(const std::vector<Buffer>& buffers, int32_t steps) {
  int64_t most = 0;
  for (int32_t step = 0; step < steps; ++step) {
    int64_t now = 0;
    for (const Buffer& b : buffers) {
      if (b.first <= step && step <= b.last) now += (b.bytes + 63) / 64 * 64;
    }
    if (now > most) most = now;
  }
  return most;
}

}  // namespace

int main() {
  test::Generator random(test::seed());
  checkLayout({}, 1, "nothing");
  checkLayout({{0, 0, 0, 0}, {0, 0, 3, 0}}, 1, "no bytes");
  // A chain: two buffers at a time.
  std::vector<Buffer> chain;
  for (int32_t i = 0; i < 40; ++i) chain.push_back({1000 + 64 * (i % 3), i, i + 1, 0});
  checkLayout(chain, 1.05, "a chain");
  // Forwards and backwards: what the first made is needed last.
  std::vector<Buffer> training;
  for (int32_t i = 0; i < 20; ++i) training.push_back({4096 * (1 + i % 5), i, 40 - i, 0});
  for (int32_t i = 0; i < 20; ++i) training.push_back({4096 * (1 + i % 5), 20 + i, 21 + i, 0});
  checkLayout(training, 1.05, "a training step");

  for (int64_t round = 0; round < (test::fullSweep() ? 20000 : 2000); ++round) {
    const int32_t steps = static_cast<int32_t>(1 + random.below(30));
    std::vector<Buffer> buffers;
    for (int64_t n = random.below(60); n > 0; --n) {
      const int32_t first = static_cast<int32_t>(random.below(steps));
      const int32_t last = first + static_cast<int32_t>(random.below(steps - first));
      buffers.push_back({random.below(3) == 0 ? random.below(200) : random.below(100000), first, last, 0});
    }
    LATENT_CHECK(leastBytes(buffers) == slowLeast(buffers, steps), "round %lld", test::wide(round));
    // No greedy layout is within a bound of the best for any lifetimes; these are no nets'.
    checkLayout(buffers, 2, "at random");
  }
  return test::finish("test_plan");
}
