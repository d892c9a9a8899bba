// Where a plan's buffers lie: none in another's place while both are needed, and the block hardly longer than it must be.
#include "runtime/plan/layout.h"

#include <algorithm>

#include "check.h"
#include "generator.h"

using namespace latent;

namespace {

bool meet(const Buffer& a, const Buffer& b) {
  const bool sideBySide = a.fork >= 0 && a.fork == b.fork && a.branch != b.branch;
  return sideBySide || (a.first <= b.last && b.first <= a.last);
}

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
      LATENT_CHECK(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset, "%s: buffers %zu and %zu overlap",
                   what, i, j);
    }
  }
}

// The needs of one branch of the fork [first, last] (-1: no branch) at a step.
int64_t neededAt(const std::vector<Buffer>& buffers, int32_t step, int32_t branch) {
  int64_t now = 0;
  for (const Buffer& b : buffers) {
    if (b.branch == branch && b.first <= step && step <= b.last) now += (b.bytes + 63) / 64 * 64;
  }
  return now;
}

// The most that is needed at a step, step by step; in a fork with the most that each branch needs.
int64_t slowLeast(const std::vector<Buffer>& buffers, int32_t steps, int32_t forkFirst = 0, int32_t forkLast = -1) {
  int64_t most = 0, together = 0;
  for (int32_t branch = 0; branch < 3; ++branch) {
    int64_t own = 0;
    for (int32_t step = forkFirst; step <= forkLast; ++step) own = std::max(own, neededAt(buffers, step, branch));
    together += own;
  }
  for (int32_t step = 0; step < steps; ++step) {
    const bool forked = step >= forkFirst && step <= forkLast;
    most = std::max(most, neededAt(buffers, step, -1) + (forked ? together : 0));
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
    if (steps < 3) continue;
    // The same with a fork of three branches, and what only one of them needs.
    const int32_t first = static_cast<int32_t>(random.below(steps - 2));
    const int32_t last = first + 2 + static_cast<int32_t>(random.below(steps - first - 2));
    for (Buffer& b : buffers) {
      // A value that goes into a fork or comes out of it is needed throughout.
      if (b.last >= first && b.last <= last) b.last = last;
      if (b.first >= first && b.first <= last) b.first = first;
    }
    for (int64_t n = random.below(30); n > 0; --n) {
      const int32_t from = first + static_cast<int32_t>(random.below(last - first + 1));
      const int32_t to = from + static_cast<int32_t>(random.below(last - from + 1));
      buffers.push_back({random.below(100000), from, to, 0, 0, static_cast<int32_t>(random.below(3)), first, last});
    }
    LATENT_CHECK(leastBytes(buffers) == slowLeast(buffers, steps, first, last), "round %lld, forked", test::wide(round));
    checkLayout(buffers, 2.5, "at random, forked");
  }
  return test::finish("test_plan");
}
