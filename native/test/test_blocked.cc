// The kernels of values whose channels lie in blocks, of every instruction set: sizes around every tile, and memory that ends
// where the contract says.
#include <limits>
#include <vector>

#include "../runtime/cpu.h"
#include "check.h"
#include "generator.h"
#include "guard.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Small integers throughout: every sum is exact, in whatever order.
class Sweep {
 public:
  Sweep(const KernelTable& table, uint64_t seed) : table_(table), kernel_(table.blocked), random_(seed) {
    for (Guarded*& memory : memories_) memory = new Guarded(size_t(1) << 20);
  }
  ~Sweep() {
    for (Guarded* memory : memories_) delete memory;
  }

  void run() {
    const int64_t thin = thinning();
    int64_t turn = 0;
    for (int64_t columns = 1; columns <= 30; ++columns) {
      for (int64_t rows = 1; rows <= 3; ++rows) {
        for (int64_t blocks = 1; blocks <= kernel_.filterBlocks; ++blocks) {
          for (int form = 0; form < 8; ++form) {
            if (turn++ % thin == 0)
              convolution(rows, columns, blocks, (form & 1) != 0, 1 + (form >> 1 & 1), (form & 4) != 0);
          }
        }
      }
      for (int step : {1, 2}) {
        for (int taps : {3, 5}) depthwise(1 + random_.below(4), columns, step, taps);
      }
      pool(1 + random_.below(9), columns, false);
      pool(1 + random_.below(9), columns, true);
      mean(1 + random_.below(30), columns);
      scale(columns);
    }
  }

 private:
  float* take(int k, int64_t count, Place place = Place::kEnding) {
    float* p = memories_[k]->take<float>(count, place, 0);
    for (int64_t i = 0; i < count; ++i) p[i] = static_cast<float>(random_.integer());
    return p;
  }
  bool either() { return random_.below(2) == 0; }

  void convolution(int64_t rows, int64_t columns, int64_t blocks, bool plain, int step, bool one) {
    const int64_t channels = 1 + random_.below(40), chain = 1 + random_.below(channels);
    const int64_t down = one ? 1 : 1 + random_.below(4), across = one ? 1 : 1 + random_.below(4);
    const int64_t gap = 1 + random_.below(2), stepDown = 1 + random_.below(2);
    const bool bias = either(), residual = either(), clamps = either();
    setCase(
        "%s conv rows=%lld columns=%lld blocks=%lld channels=%lld by %lld, taps=%lldx%lld gap=%lld steps=%lld, %d plain=%d",
        table_.name, wide(rows), wide(columns), wide(blocks), wide(channels), wide(chain), wide(down), wide(across),
        wide(gap), wide(stepDown), step, plain);
    const int64_t pixel = plain ? 1 : kBlock;
    const int64_t height = (rows - 1) * stepDown + (down - 1) * gap + 1,
                  width = (columns - 1) * step + (across - 1) * gap + 1;
    const int64_t planes = plain ? channels : ceilDiv(channels, kBlock), plane = height * width * pixel;
    const int64_t yRow = (columns + random_.below(3)) * kBlock, yPlane = rows * yRow + random_.below(2) * kBlock;
    std::vector<int32_t> offsets;
    for (int64_t ch = 0; ch < (plain ? channels : kBlock); ++ch) {
      for (int64_t t = 0; t < down * across; ++t)
        offsets.push_back(
            static_cast<int32_t>((plain ? ch * plane : ch) + (t / across * gap * width + t % across * gap) * pixel));
    }
    for (Place place : {Place::kEnding, Place::kBeginning}) {
      const float* x = take(0, planes * plane, place);
      const float *weights = take(1, blocks * channels * down * across * kBlock, place),
                  *biases = take(2, blocks * kBlock, place);
      const int64_t size = (blocks - 1) * yPlane + (rows - 1) * yRow + columns * kBlock;
      const float* added = take(3, size, place);
      float* y = take(4, size, place);
      const std::vector<float> before(y, y + size);
      BlockedConv c{};
      c.rows = rows;
      c.columns = columns;
      c.blocks = blocks;
      c.channels = channels;
      c.chain = chain;
      c.taps = down * across;
      c.offsets = offsets.data();
      c.together = plain ? channels : kBlock;
      c.plain = plain;
      c.step = step;
      c.x = x;
      c.xRow = width * pixel * stepDown;
      c.xPlane = plane;
      c.weights = weights;
      c.weightsBlock = channels * down * across * kBlock;
      c.bias = bias ? biases : nullptr;
      c.residual = residual ? added : nullptr;
      c.residualRow = yRow;
      c.residualPlane = yPlane;
      c.y = y;
      c.yRow = yRow;
      c.yPlane = yPlane;
      c.low = clamps ? -3.0f : -kInfinity;
      c.high = clamps ? 5.0f : kInfinity;
      c.activation = either() ? Activation::kNone : Activation::kRelu;
      kernel_.conv(c);
      std::vector<bool> written(static_cast<size_t>(size));
      for (int64_t b = 0; b < blocks; ++b) {
        for (int64_t i = 0; i < rows; ++i) {
          for (int64_t j = 0; j < columns; ++j) {
            for (int64_t k = 0; k < kBlock; ++k) {
              double want = bias ? static_cast<double>(biases[b * kBlock + k]) : 0;
              for (int64_t ch = 0; ch < channels; ++ch) {
                for (int64_t r = 0; r < down; ++r) {
                  for (int64_t s = 0; s < across; ++s) {
                    const int64_t at = ((i * stepDown + r * gap) * width + j * step + s * gap) * pixel;
                    const float value = x[ch / pixel * plane + at + ch % pixel];
                    want += static_cast<double>(value) *
                            static_cast<double>(weights[b * c.weightsBlock + ((ch * down + r) * across + s) * kBlock + k]);
                  }
                }
              }
              const int64_t place = b * yPlane + i * yRow + j * kBlock + k;
              written[static_cast<size_t>(place)] = true;
              if (residual) want += static_cast<double>(added[place]);
              if (clamps) want = want < -3 ? -3 : (want > 5 ? 5 : want);
              if (c.activation == Activation::kRelu && want < 0) want = 0;
              const double got = static_cast<double>(y[place]);
              LATENT_CHECK(got == want, "%s: y[%lld][%lld][%lld][%lld] is %g instead of %g", caseText(), wide(b), wide(i),
                           wide(j), wide(k), got, want);
            }
          }
        }
      }
      for (size_t i = 0; i < before.size(); ++i)
        LATENT_CHECK(written[i] || y[i] == before[i], "%s: wrote between the rows", caseText());
      LATENT_CHECK(memories_[4]->untouchedOutside(), "%s: wrote outside", caseText());
    }
  }

  void depthwise(int64_t rows, int64_t columns, int step, int taps) {
    setCase("%s depthwise rows=%lld columns=%lld step=%d taps=%d", table_.name, wide(rows), wide(columns), step, taps);
    const int64_t height = (rows - 1) * step + taps, width = (columns - 1) * step + taps;
    const bool bias = either();
    for (Place place : {Place::kEnding, Place::kBeginning}) {
      const float *x = take(0, height * width * kBlock, place), *weights = take(1, taps * taps * kBlock, place);
      const float* biases = take(2, kBlock, place);
      float* y = take(4, rows * columns * kBlock, place);
      kernel_.depthwise({rows, columns, taps, step, x, width * kBlock, weights, bias ? biases : nullptr, y,
                         columns * kBlock, -5.0f, 9.0f, Activation::kNone});
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < columns; ++j) {
          for (int64_t k = 0; k < kBlock; ++k) {
            double want = bias ? static_cast<double>(biases[k]) : 0;
            for (int64_t t = 0; t < taps * taps; ++t) {
              const int64_t at = (i * step + t / taps) * width + j * step + t % taps;
              want += static_cast<double>(x[at * kBlock + k]) * static_cast<double>(weights[t * kBlock + k]);
            }
            want = want < -5 ? -5 : (want > 9 ? 9 : want);
            const double got = static_cast<double>(y[(i * columns + j) * kBlock + k]);
            LATENT_CHECK(got == want, "%s: y[%lld][%lld][%lld] is %g instead of %g", caseText(), wide(i), wide(j), wide(k),
                         got, want);
          }
        }
      }
      LATENT_CHECK(memories_[4]->untouchedOutside(), "%s: wrote outside", caseText());
    }
  }

  void pool(int64_t rows, int64_t columns, bool isMean) {
    const int64_t height = 1 + random_.below(4), width = 1 + random_.below(4), top = random_.below(height),
                  left = random_.below(width);
    const int64_t down = 1 + random_.below(3), across = 1 + random_.below(3);
    // The last window holds an element at least.
    const int64_t xRows = (rows - 1) * down - top + 1 + random_.below(3),
                  xColumns = (columns - 1) * across - left + 1 + random_.below(3);
    setCase("%s pool rows=%lld columns=%lld windows=%lldx%lld steps=%lld, %lld before=%lld, %lld of %lldx%lld mean=%d",
            table_.name, wide(rows), wide(columns), wide(height), wide(width), wide(down), wide(across), wide(top),
            wide(left), wide(xRows), wide(xColumns), isMean);
    if (xRows < 1 || xColumns < 1) return;
    const int64_t begin = random_.below(rows), end = begin + 1 + random_.below(rows - begin);
    for (Place place : {Place::kEnding, Place::kBeginning}) {
      const float* x = take(0, xRows * xColumns * kBlock, place);
      float *rowCounts = take(1, rows, place), *columnCounts = take(2, columns, place);
      for (int64_t i = 0; i < rows; ++i) rowCounts[i] = static_cast<float>(1 << random_.below(3));
      for (int64_t j = 0; j < columns; ++j) columnCounts[j] = static_cast<float>(1 << random_.below(3));
      float* y = take(4, rows * columns * kBlock, place);
      const std::vector<float> before(y, y + rows * columns * kBlock);
      kernel_.pool({begin, end, columns, height, width, down, across, top, left, x, xRows, xColumns, xColumns * kBlock,
                    isMean ? rowCounts : nullptr, columnCounts, y, columns * kBlock});
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < columns; ++j) {
          for (int64_t k = 0; k < kBlock; ++k) {
            double want = isMean ? 0 : -std::numeric_limits<double>::infinity();
            for (int64_t r = i * down - top; r < i * down - top + height; ++r) {
              for (int64_t s = j * across - left; s < j * across - left + width; ++s) {
                if (r < 0 || r >= xRows || s < 0 || s >= xColumns) continue;
                const double value = static_cast<double>(x[(r * xColumns + s) * kBlock + k]);
                want = isMean ? want + value : (value > want ? value : want);
              }
            }
            if (isMean) want /= static_cast<double>(rowCounts[i] * columnCounts[j]);
            const size_t at = static_cast<size_t>((i * columns + j) * kBlock + k);
            if (i < begin || i >= end) want = static_cast<double>(before[at]);
            LATENT_CHECK(static_cast<double>(y[at]) == want, "%s: y[%lld][%lld][%lld] is %g instead of %g", caseText(),
                         wide(i), wide(j), wide(k), static_cast<double>(y[at]), want);
          }
        }
      }
      LATENT_CHECK(memories_[4]->untouchedOutside(), "%s: wrote outside", caseText());
    }
  }

  void mean(int64_t rows, int64_t columns) {
    setCase("%s mean rows=%lld columns=%lld", table_.name, wide(rows), wide(columns));
    const int64_t xRow = (columns + random_.below(3)) * kBlock;
    const float* x = take(0, (rows - 1) * xRow + columns * kBlock);
    float* y = take(4, kBlock);
    kernel_.mean(rows, columns, x, xRow, y);
    for (int64_t k = 0; k < kBlock; ++k) {
      double sum = 0;
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < columns; ++j) sum += static_cast<double>(x[i * xRow + j * kBlock + k]);
      }
      const float want = static_cast<float>(sum) / static_cast<float>(rows * columns);
      LATENT_CHECK(y[k] == want, "%s: channel %lld is %g instead of %g", caseText(), wide(k), static_cast<double>(y[k]),
                   static_cast<double>(want));
    }
    LATENT_CHECK(memories_[4]->untouchedOutside(), "%s: wrote outside", caseText());
  }

  void scale(int64_t columns) {
    setCase("%s scale columns=%lld", table_.name, wide(columns));
    const float *x = take(0, columns * kBlock), *factors = take(1, kBlock);
    float* y = take(4, columns * kBlock);
    kernel_.scale(columns, x, factors, y);
    for (int64_t i = 0; i < columns * kBlock; ++i)
      LATENT_CHECK(y[i] == x[i] * factors[i % kBlock], "%s: element %lld", caseText(), wide(i));
    LATENT_CHECK(memories_[4]->untouchedOutside(), "%s: wrote outside", caseText());
  }

  const KernelTable& table_;
  const BlockedKernels& kernel_;
  Generator random_;
  Guarded* memories_[5];
};

}  // namespace

int main() {
  reportFaults();
  const uint64_t seed = test::seed();
  forEachSet([&](const KernelTable& table) { Sweep(table, seed).run(); });
  return finish("test_blocked");
}
