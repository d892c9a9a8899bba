// Winograd's transforms of every instruction set: tiles of one input and one filter against its sum of taps, at every size of
// what is there of the last tiles, in memory that ends where the contract says.
#include <cmath>
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

class Sweep {
 public:
  Sweep(const KernelTable& table, uint64_t seed) : table_(table), kernel_(table.winograd), random_(seed) {
    for (Guarded*& memory : memories_) memory = new Guarded(size_t(1) << 18);
  }
  ~Sweep() {
    for (Guarded* memory : memories_) delete memory;
  }

  void run() {
    for (const int size : {2, 4}) {
      for (int64_t tiles = 1; tiles <= 5; ++tiles) {
        for (int64_t rows = 1; rows <= size; ++rows) {
          for (int64_t cut = 0; cut < size; ++cut) {
            for (const Place place : {Place::kEnding, Place::kBeginning})
              convolve(size, tiles, rows, tiles * size - cut, place);
          }
        }
      }
    }
  }

 private:
  float* take(int k, int64_t count, Place place) {
    float* p = memories_[k]->take<float>(count, place, 0);
    for (int64_t i = 0; i < count; ++i) p[i] = static_cast<float>(random_.below(1 << 20)) / (1 << 19) - 1;
    return p;
  }
  bool either() { return random_.below(2) == 0; }

  // The points of a tile but infinity.
  static std::vector<double> pointsOf(int size) {
    if (size == 2) return {0, 1, -1};
    return {0, kWinogradA, -kWinogradA, kWinogradB, -kWinogradB};
  }
  // A filter's factors by Toom and Cook: its polynomial at each point, over the product of the point's distances.
  static std::vector<double> factorsOf(int size, const double (&taps)[3]) {
    std::vector<double> out;
    const std::vector<double> points = pointsOf(size);
    for (const double point : points) {
      double scale = 1;
      for (const double other : points) scale *= other == point ? 1 : point - other;
      out.push_back((taps[0] + taps[1] * point + taps[2] * point * point) / scale);
    }
    out.push_back(taps[2]);
    // For tiles of 2 × 2 both factors of the point 0 are negative, and kernels take both without their sign.
    if (size == 2) out[0] = -out[0];
    return out;
  }

  // `rows` × `columns` outputs of `tiles` tiles, of which the last end there.
  void convolve(int size, int64_t tiles, int64_t rows, int64_t columns, Place place) {
    setCase("%s winograd size=%d tiles=%lld rows=%lld columns=%lld", table_.name, size, wide(tiles), wide(rows),
            wide(columns));
    const int edge = size + 2;
    const int64_t positions = edge * edge, position = (tiles + random_.below(2)) * kBlock;
    const int64_t xRows = rows + 2, xColumns = columns + 2, xRow = (xColumns + random_.below(2)) * kBlock;
    const float* x = take(0, (xRows - 1) * xRow + xColumns * kBlock, place);
    float* const factors = take(1, (positions - 1) * position + tiles * kBlock, place);
    kernel_.input({size, tiles, xRows, xColumns, x, xRow, factors, position});
    LATENT_CHECK(memories_[1]->untouchedOutside(), "%s: factors outside", caseText());

    std::vector<double> taps(9 * kBlock), filter(static_cast<size_t>(positions * kBlock));
    for (double& tap : taps) tap = static_cast<double>(random_.below(1 << 20)) / (1 << 19) - 1;
    for (int64_t k = 0; k < kBlock; ++k) {
      double half[6][3];
      for (int s = 0; s < 3; ++s) {
        const double down[3] = {taps[static_cast<size_t>(s * kBlock + k)], taps[static_cast<size_t>((3 + s) * kBlock + k)],
                                taps[static_cast<size_t>((6 + s) * kBlock + k)]};
        const std::vector<double> column = factorsOf(size, down);
        for (int i = 0; i < edge; ++i) half[i][s] = column[static_cast<size_t>(i)];
      }
      for (int i = 0; i < edge; ++i) {
        const std::vector<double> row = factorsOf(size, half[i]);
        for (int j = 0; j < edge; ++j)
          filter[static_cast<size_t>((i * edge + j) * kBlock + k)] = row[static_cast<size_t>(j)];
      }
    }
    std::vector<float> own(taps.begin(), taps.end()), out(filter.size());
    kernel_.filters(size, own.data(), out.data(), kBlock);
    for (size_t i = 0; i < out.size(); ++i) {
      LATENT_CHECK(std::fabs(static_cast<double>(out[i]) - filter[i]) < 1e-6, "%s: factor %zu is %g instead of %g",
                   caseText(), i, static_cast<double>(out[i]), filter[i]);
    }
    float* const sums = take(2, (positions - 1) * position + tiles * kBlock, place);
    for (int64_t p = 0; p < positions; ++p) {
      for (int64_t t = 0; t < tiles * kBlock; ++t) {
        sums[p * position + t] = static_cast<float>(static_cast<double>(factors[p * position + t]) *
                                                    filter[static_cast<size_t>(p * kBlock + t % kBlock)]);
      }
    }
    const int64_t yRow = (columns + random_.below(3)) * kBlock, count = (rows - 1) * yRow + columns * kBlock;
    const bool bias = either(), residual = either(), clamps = either();
    const float *biases = take(3, kBlock, place), *added = take(4, count, place);
    float* const y = take(5, count, place);
    const std::vector<float> before(y, y + count);
    kernel_.output({size, tiles, rows, columns, sums, position, bias ? biases : nullptr, residual ? added : nullptr, yRow,
                    y, yRow, clamps ? -0.5f : -kInfinity, clamps ? 1.0f : kInfinity,
                    clamps ? Activation::kRelu : Activation::kNone});
    LATENT_CHECK(memories_[5]->untouchedOutside(), "%s: outputs outside", caseText());
    for (int64_t at = 0; at < count; ++at) {
      const int64_t i = at / yRow, j = at % yRow / kBlock, k = at % kBlock;
      if (j >= columns) {
        LATENT_CHECK(y[at] == before[static_cast<size_t>(at)], "%s: wrote between the rows", caseText());
        continue;
      }
      double want = bias ? static_cast<double>(biases[k]) : 0;
      for (int64_t t = 0; t < 9; ++t)
        want += static_cast<double>(x[(i + t / 3) * xRow + (j + t % 3) * kBlock + k]) *
                taps[static_cast<size_t>(t * kBlock + k)];
      if (residual) want += static_cast<double>(added[at]);
      if (clamps) want = want < 0 ? 0 : (want > 1 ? 1 : want);
      const double got = static_cast<double>(y[at]);
      LATENT_CHECK(std::fabs(got - want) < (size == 2 ? 5e-6 : 5e-5), "%s: y[%lld][%lld][%lld] is %g instead of %g",
                   caseText(), wide(i), wide(j), wide(k), got, want);
    }
  }

  const KernelTable& table_;
  const WinogradKernels& kernel_;
  Generator random_;
  Guarded* memories_[6];
};

}  // namespace

int main() {
  reportFaults();
  const uint64_t seed = test::seed();
  forEachSet([&](const KernelTable& table) { Sweep(table, seed).run(); });
  return finish("test_winograd");
}
