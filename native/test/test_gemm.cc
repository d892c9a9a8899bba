// The product kernels of every instruction set against the reference, at and around the edges of their tiles, in
// memory that ends or begins at a guard page.
#include <limits>
#include <vector>

#include "check.h"
#include "generator.h"
#include "guard.h"
#include "kernels/unary.h"
#include "reference.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

// The first values of C's elements.
// kOther: a matrix beside C. kResumes: C, and nothing else that is there.
enum class Start : int { kZero, kBias, kAccumulate, kOther, kResumes };

Unary functionOf(Activation activation) {
  switch (activation) {
    case Activation::kNone: return kNoUnary;
    case Activation::kRelu: return Unary::kRelu;
    case Activation::kTanh: return Unary::kTanh;
    case Activation::kSigmoid: return Unary::kSigmoid;
    case Activation::kGelu: return Unary::kGelu;
    case Activation::kSilu: return Unary::kSilu;
  }
  return kNoUnary;
}

template <class T>
class Sweep {
 public:
  Sweep(const KernelTable& table, uint64_t seed, int64_t thin)
      : table_(table), kernel_(floatKernels<T>(table)), random_(seed), a_(kRoom), b_(kRoom), c_(kRoom), start_(kRoom),
        bias_(kRoom), packed_(kRoom), tiles_(kRoom), thin_(thin) {}

  void run() {
    const GemmShape& shape = kernel_.gemmShape;
    for (int64_t rows : around(shape.mr)) {
      for (int64_t columns : around(shape.across * shape.lanes)) {
        for (int64_t depth : depths()) products(rows, columns, depth);
      }
    }
    // Every height, and every number of vectors across.
    for (int64_t rows = 1; rows <= shape.mr + 1; ++rows) {
      for (int64_t columns = 1; columns <= 9 * shape.lanes + 1; columns += shape.lanes / 2 + 1) products(rows, columns, 9);
    }
    for (int64_t rows : around(shape.mr)) {
      for (int64_t depth : around(16)) packedTiles(rows, depth);
    }
    for (int64_t rows = 0; rows <= 9; ++rows) {
      for (int64_t columns : {0, 1, 3, 5, 6, 7, 13}) {
        for (int64_t depth = 0; depth <= 3 * shape.lanes + 1; depth += shape.lanes > 4 ? shape.lanes / 2 - 1 : 1) {
          dots(rows, columns, depth);
        }
        for (int64_t depth : {int64_t(1001), kChain * shape.lanes, 2 * kChain * shape.lanes + 3})
          dots(rows, columns, depth);
      }
    }
  }

 private:
  static constexpr size_t kRoom = size_t(1) << 20;

  static std::vector<int64_t> around(int64_t tile) { return {0, 1, tile - 1, tile, tile + 1, 2 * tile + 3}; }
  // Around the unrolled steps, a vector's width, the depth from which C is fetched ahead, and the length of a chain.
  std::vector<int64_t> depths() const { return {0, 1, 3, 4, 15, 16, 17, 67, kChain, kChain + 1, 2 * kChain + 5}; }

  void fill(T* p, int64_t count, bool integers) {
    for (int64_t i = 0; i < count; ++i) p[i] = static_cast<T>(integers ? random_.integer() : random_.uniform(-1, 1));
  }

  // Integers are compared exactly, any order of additions giving the same sum, but for what a curved function makes of
  // them.
  void compare(const Product& want, int64_t index, T got, int64_t depth, bool integers, Activation activation) {
    const size_t i = static_cast<size_t>(index);
    const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
    const double error = std::fabs(static_cast<double>(got) - want.value[i]);
    double allowed = integers ? 0 : 8 * std::sqrt(static_cast<double>(depth + 1)) * eps * want.magnitude[i];
    if (activation > Activation::kRelu) allowed = 1.2 * allowed + 32 * eps * (1 + std::fabs(want.value[i]));
    LATENT_CHECK(error <= allowed, "%s: element %lld is %.17g instead of %.17g", caseText(), wide(index),
                 static_cast<double>(got), want.value[i]);
  }

  void products(int64_t rows, int64_t columns, int64_t depth) {
    for (int flags = 0; flags < 16; ++flags) {
      for (const Start start : {Start::kZero, Start::kBias, Start::kAccumulate, Start::kOther, Start::kResumes}) {
        if (random_.below(thin_) != 0 || (depth == 0 && start == Start::kResumes)) continue;
        const Activation activation = static_cast<Activation>(number_ % 7 % 6);
        product(rows, columns, depth, flags & 1, start, activation, flags / 2 & 1 ? Place::kEnding : Place::kBeginning,
                static_cast<Reading>(flags / 4 % 3), flags >= 8);
      }
    }
  }

  struct From {
    const T* data;
    int64_t row;
  };

  // The sums start from C itself, a matrix beside it, or none.
  From fromOf(Start start, int64_t rows, int64_t columns, const T* c, int64_t cRow, Place place, bool integers) {
    if (start == Start::kAccumulate) return {c, cRow};
    if (start != Start::kOther && start != Start::kResumes) return {nullptr, 0};
    const int64_t row = columns + 2, count = rows == 0 ? 0 : (rows - 1) * row + columns;
    T* data = start_.template take<T>(count, place);
    fill(data, count, integers);
    return {data, row};
  }

  // C's start, over NaNs where it must not be read; gaps hold a value of their own.
  std::vector<T> startOf(int64_t count, int64_t columns, int64_t cRow, bool accumulate, bool integers) {
    std::vector<T> before(static_cast<size_t>(count));
    fill(before.data(), count, integers);
    for (int64_t i = 0; i < count; ++i) {
      if (i % cRow >= columns) before[static_cast<size_t>(i)] = T(12345);
      else if (!accumulate) before[static_cast<size_t>(i)] = std::numeric_limits<T>::quiet_NaN();
    }
    return before;
  }

  void compareAll(int64_t rows, int64_t columns, int64_t depth, const T* c, int64_t cRow, const Product& want,
                  bool integers, Activation activation) {
    for (int64_t i = 0; i < (rows == 0 ? 0 : (rows - 1) * cRow + columns); ++i) {
      if (i % cRow < columns) compare(want, i / cRow * columns + i % cRow, c[i], depth, integers, activation);
      else LATENT_CHECK(c[i] == T(12345), "%s: the gap at %lld was written", caseText(), wide(i));
    }
  }

  void product(int64_t rows, int64_t columns, int64_t depth, bool integers, Start start, Activation activation, Place place,
               Reading reading, bool inPlace) {
    const int64_t mr = kernel_.gemmShape.mr, lanes = kernel_.gemmShape.lanes;
    // Panels in place are read whole; rows whose depth is not contiguous are packed, unless they fit one tile.
    if (inPlace) columns = columns / lanes * lanes;
    const int64_t panels = (columns + lanes - 1) / lanes;
    // Gaps, offsets and the order of B go through all their combinations as the sweep goes on.
    const int64_t aGap = number_ % 2 * 3, cGap = number_ / 2 % 2 * 5;
    const int64_t order = inPlace ? 0 : number_ / 4 % 3, offset = number_ / 12 % 4;
    const bool rowsOutside = number_ / 64 % 2;
    ++number_;
    setCase(
        "%s %s gemmBlock rows=%lld columns=%lld depth=%lld integers=%d start=%d activation=%d aGap=%lld cGap=%lld "
        "reading=%d inPlace=%d order=%lld rowsOutside=%d place=%d offset=%lld",
        table_.name, typeName<T>(), wide(rows), wide(columns), wide(depth), integers, static_cast<int>(start),
        static_cast<int>(activation), wide(aGap), wide(cGap), static_cast<int>(reading), inPlace, wide(order), rowsOutside,
        static_cast<int>(place), wide(offset));

    const bool byRow = reading == Reading::kRows;
    const int64_t aRow = byRow ? depth + aGap : 1, aDepth = byRow ? 1 : rows + aGap, cRow = columns + cGap;
    const int64_t aCount = rows == 0 || depth == 0 ? 0 : (rows - 1) * aRow + (depth - 1) * aDepth + 1;
    const int64_t cCount = rows == 0 ? 0 : (rows - 1) * cRow + columns;
    T* a = a_.template take<T>(aCount, place, offset);
    fill(a, aCount, integers);
    const T* tiles = a;
    if (reading == Reading::kTiles) {
      T* packed = tiles_.template take<T>(packedRows(rows, mr) * depth, place, offset);
      kernel_.packA(rows, depth, a, aRow, aDepth, packed);
      LATENT_CHECK(tiles_.untouchedOutside(), "%s: packA wrote outside its tiles", caseText());
      tiles = packed;
    }

    // Rows of B along the columns, along the depth, and neither.
    const int64_t bColumn = order == 0 ? 1 : (order == 1 ? depth + 1 : 2);
    const int64_t bDepth = order == 0 ? columns + 1 : (order == 1 ? 1 : 2 * columns + 1);
    const int64_t bCount = columns == 0 || depth == 0 ? 0 : (columns - 1) * bColumn + (depth - 1) * bDepth + 1;
    T* b = b_.template take<T>(bCount, place, offset);
    fill(b, bCount, integers);
    const T* bias = nullptr;
    if (start == Start::kBias || start == Start::kResumes) {
      T* values = bias_.template take<T>(columns, place, offset);
      fill(values, columns, integers);
      bias = values;
    }
    T* packed = packed_.template take<T>(panels * lanes * depth, place, offset);
    if (!inPlace) packPanels(columns, depth, b, bDepth, bColumn, packed);

    T* c = c_.template take<T>(cCount, place, offset);
    const bool resumes = start == Start::kResumes, onC = start == Start::kAccumulate || resumes;
    const std::vector<T> before = startOf(cCount, columns, cRow, onC, integers);
    for (int64_t i = 0; i < cCount; ++i) c[i] = before[static_cast<size_t>(i)];
    GemmBlock<T> g{};
    g.rows = rows;
    g.columns = columns;
    g.depth = depth;
    g.reading = reading;
    g.a = tiles;
    g.aStep = byRow ? aRow : aDepth;
    g.b = inPlace ? b : packed;
    g.packed = !inPlace;
    g.bStep = inPlace ? bDepth : lanes;
    g.bPanel = inPlace ? lanes : lanes * depth;
    g.c = c;
    g.cRow = cRow;
    const From from = fromOf(start, rows, columns, c, cRow, place, integers);
    g.start = from.data;
    g.startRow = from.row;
    g.bias = bias;
    g.resumes = resumes;
    g.activation = activation;
    g.rowsOutside = rowsOutside;
    kernel_.gemmBlock(g);
    LATENT_CHECK(c_.untouchedOutside(), "%s: wrote outside C", caseText());
    compareAll(
        rows, columns, depth, c, cRow,
        referenceGemm<T>(rows, columns, depth, {a, aRow, aDepth}, {b, bDepth, bColumn}, onC ? before.data() : from.data,
                         onC ? cRow : from.row, resumes ? nullptr : bias, functionOf(activation)),
        integers, activation);
  }

  void packPanels(int64_t columns, int64_t depth, const T* b, int64_t bDepth, int64_t bColumn, T* packed) {
    const int64_t lanes = kernel_.gemmShape.lanes;
    kernel_.packB(depth, columns, b, bDepth, bColumn, packed);
    LATENT_CHECK(packed_.untouchedOutside(), "%s: packB wrote outside its panels", caseText());
    bool right = true;
    for (int64_t j = 0; j < (columns + lanes - 1) / lanes * lanes; ++j) {
      for (int64_t p = 0; p < depth; ++p) {
        const T got = packed[j / lanes * lanes * depth + p * lanes + j % lanes];
        right = right && got == (j < columns ? b[p * bDepth + j * bColumn] : T(0));
      }
    }
    LATENT_CHECK(right, "%s: packB", caseText());
  }

  // The tiles hold A's rows, evenly shared out.
  void packedTiles(int64_t rows, int64_t depth) {
    const int64_t mr = kernel_.gemmShape.mr, tiles = (rows + mr - 1) / mr;
    const int64_t strides[][2] = {{depth + 3, 1}, {1, rows + 2}, {2 * depth + 1, 2}};
    for (const int64_t* stride : strides) {
      for (Place place : {Place::kEnding, Place::kBeginning}) {
        setCase("%s %s packA rows=%lld depth=%lld aRow=%lld aDepth=%lld place=%d", table_.name, typeName<T>(), wide(rows),
                wide(depth), wide(stride[0]), wide(stride[1]), static_cast<int>(place));
        const int64_t count = rows == 0 || depth == 0 ? 0 : (rows - 1) * stride[0] + (depth - 1) * stride[1] + 1;
        T* a = a_.template take<T>(count, place);
        fill(a, count, false);
        T* packed = tiles_.template take<T>(packedRows(rows, mr) * depth, place);
        kernel_.packA(rows, depth, a, stride[0], stride[1], packed);
        bool right = true;
        int64_t row = 0;
        for (int64_t t = 0; t < tiles; ++t) {
          const int64_t height = rows / tiles + (t < rows % tiles ? 1 : 0);
          for (int64_t i = 0; i < height; ++i, ++row) {
            for (int64_t p = 0; p < depth; ++p) {
              right = right && packed[(t * depth + p) * mr + i] == a[row * stride[0] + p * stride[1]];
            }
          }
        }
        LATENT_CHECK(right && row == rows && tiles_.untouchedOutside(), "%s", caseText());
      }
    }
  }

  void dots(int64_t rows, int64_t columns, int64_t depth) {
    for (int flags = 0; flags < 16; ++flags, ++number_) {
      if (random_.below(thin_) != 0) continue;
      const bool integers = flags & 1;
      const Start start = static_cast<Start>(flags / 2 % 4);
      const Place place = flags >= 8 ? Place::kEnding : Place::kBeginning;
      const Activation activation = static_cast<Activation>(number_ % 7 % 6);
      const int64_t aRow = depth + number_ % 2 * 3, bColumn = depth + number_ % 3, cRow = columns + number_ % 5;
      const int64_t offset = number_ % 4;
      setCase(
          "%s %s dotBlock rows=%lld columns=%lld depth=%lld integers=%d start=%d activation=%d aRow=%lld "
          "bColumn=%lld cRow=%lld place=%d offset=%lld",
          table_.name, typeName<T>(), wide(rows), wide(columns), wide(depth), integers, static_cast<int>(start),
          static_cast<int>(activation), wide(aRow), wide(bColumn), wide(cRow), static_cast<int>(place), wide(offset));
      const int64_t aCount = rows == 0 ? 0 : (rows - 1) * aRow + depth;
      const int64_t bCount = columns == 0 ? 0 : (columns - 1) * bColumn + depth;
      const int64_t cCount = rows == 0 || columns == 0 ? 0 : (rows - 1) * cRow + columns;
      T* a = a_.template take<T>(aCount, place, offset);
      T* b = b_.template take<T>(bCount, place, offset);
      fill(a, aCount, integers);
      fill(b, bCount, integers);
      const T* bias = nullptr;
      if (start == Start::kBias) {
        T* values = bias_.template take<T>(columns, place, offset);
        fill(values, columns, integers);
        bias = values;
      }
      T* c = c_.template take<T>(cCount, place, offset);
      const bool resumes = start == Start::kResumes, onC = start == Start::kAccumulate || resumes;
      const std::vector<T> before = startOf(cCount, columns, cRow, onC, integers);
      for (int64_t i = 0; i < cCount; ++i) c[i] = before[static_cast<size_t>(i)];
      const From from = fromOf(start, rows, columns, c, cRow, place, integers);
      kernel_.dotBlock({rows, columns, depth, a, aRow, b, bColumn, c, cRow, from.data, from.row, bias, activation});
      LATENT_CHECK(c_.untouchedOutside(), "%s: wrote outside C", caseText());
      if (cCount == 0) continue;
      compareAll(rows, columns, depth, c, cRow,
                 referenceGemm<T>(rows, columns, depth, {a, aRow, 1}, {b, 1, bColumn}, onC ? before.data() : from.data,
                                  onC ? cRow : from.row, resumes ? nullptr : bias, functionOf(activation)),
                 integers, activation);
    }
  }

  const KernelTable& table_;
  const FloatKernels<T>& kernel_;
  Generator random_;
  Guarded a_, b_, c_, start_, bias_, packed_, tiles_;
  int64_t thin_, number_ = 0;
};

}  // namespace

int main() {
  reportFaults();
  const uint64_t seed = test::seed();
  const int64_t thin = thinning();
  forEachSet([&](const KernelTable& table) {
    Sweep<float>(table, seed, thin).run();
    Sweep<double>(table, seed, thin).run();
  });
  return finish("test_gemm");
}
