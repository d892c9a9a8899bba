// The product kernels of every instruction set against the reference, at and around the edges of their tiles, in
// memory that ends or begins at a guard page.
#include <limits>
#include <vector>

#include "check.h"
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
      : table_(table), kernel_(floatKernels<T>(table)), random_(seed), a_(kRoom), b_(kRoom), c_(kRoom), bias_(kRoom),
        packed_(kRoom) {}

  void run() {
    const GemmShape& shape = kernel_.gemmShape;
    for (int64_t rows : around(shape.mr)) {
      for (int64_t columns : around(shape.nr)) {
        for (int64_t depth : depths()) products(rows, columns, depth);
      }
    }
    for (int64_t rows : around(16)) {
      for (int64_t depth : around(16)) packedRows(rows, depth);
    }
    for (int64_t n : around(4)) {
      for (int64_t depth = 0; depth <= 3 * kWidest<T> + 1; ++depth) dots(n, depth);
      dots(n, 1001);
    }
  }

 private:
  static constexpr size_t kRoom = size_t(1) << 20;

  static std::vector<int64_t> around(int64_t tile) { return {0, 1, tile - 1, tile, tile + 1, 2 * tile + 3}; }
  // The packing works in strips of 16 of the depth.
  std::vector<int64_t> depths() const {
    std::vector<int64_t> list = around(16);
    list.push_back(kernel_.gemmShape.kc);
    return list;
  }

  void fill(T* p, int64_t count, bool integers) {
    for (int64_t i = 0; i < count; ++i) p[i] = static_cast<T>(integers ? random_.integer() : random_.uniform(-1, 1));
  }

  // Integers are compared exactly: any order of additions gives the same sum.
  void compare(const Product& want, int64_t index, T got, int64_t depth, bool integers) {
    const size_t i = static_cast<size_t>(index);
    const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
    const double error = std::fabs(static_cast<double>(got) - want.value[i]);
    const double allowed = integers ? 0 : 8 * std::sqrt(static_cast<double>(depth + 1)) * eps * want.magnitude[i];
    LATENT_CHECK(error <= allowed, "%s: element %lld is %.17g instead of %.17g", caseText(), wide(index),
                 static_cast<double>(got), want.value[i]);
  }

  void products(int64_t rows, int64_t columns, int64_t depth) {
    for (int flags = 0; flags < 32; ++flags) {
      const bool integers = flags & 1, accumulate = flags & 2, withBias = flags & 4, relu = flags & 8;
      product(rows, columns, depth, integers, accumulate, withBias, relu,
              flags & 16 ? Place::kEnding : Place::kBeginning);
    }
  }

  void product(int64_t rows, int64_t columns, int64_t depth, bool integers, bool accumulate, bool withBias, bool relu,
               Place place) {
    const int64_t nr = kernel_.gemmShape.nr, panels = (columns + nr - 1) / nr;
    // Gaps, offsets and the order of B go through all their combinations as the sweep goes on.
    const int64_t aGap = number_ % 2 * 3, cGap = number_ / 2 % 2 * 5;
    const int64_t order = number_ / 4 % 3, offset = number_ / 12 % 4;
    ++number_;
    setCase("%s %s gemmBlock rows=%lld columns=%lld depth=%lld integers=%d accumulate=%d bias=%d relu=%d aRow=+%lld "
            "cRow=+%lld order=%lld place=%d offset=%lld",
            table_.name, typeName<T>(), wide(rows), wide(columns), wide(depth), integers, accumulate, withBias, relu,
            wide(aGap), wide(cGap), wide(order), static_cast<int>(place), wide(offset));

    const int64_t aRow = depth + aGap, cRow = columns + cGap;
    const int64_t aCount = rows == 0 ? 0 : (rows - 1) * aRow + depth;
    const int64_t cCount = rows == 0 ? 0 : (rows - 1) * cRow + columns;
    T* a = a_.template take<T>(aCount, place, offset);
    fill(a, aCount, integers);

    // Rows of B along the columns, along the depth, and neither.
    const int64_t bColumn = order == 0 ? 1 : (order == 1 ? depth + 1 : 2);
    const int64_t bDepth = order == 0 ? columns + 1 : (order == 1 ? 1 : 2 * columns + 1);
    const int64_t bCount = columns == 0 || depth == 0 ? 0 : (columns - 1) * bColumn + (depth - 1) * bDepth + 1;
    T* b = b_.template take<T>(bCount, place, offset);
    fill(b, bCount, integers);
    const T* bias = nullptr;
    if (withBias) {
      T* values = bias_.template take<T>(columns, place, offset);
      fill(values, columns, integers);
      bias = values;
    }

    T* packed = packed_.template take<T>(panels * nr * depth, place, offset);
    for (int64_t j = 0; j < columns; j += nr) {
      kernel_.packB(depth, columns - j < nr ? columns - j : nr, b + j * bColumn, bDepth, bColumn, packed + j * depth);
    }
    LATENT_CHECK(packed_.untouchedOutside(), "%s: packB wrote outside its panels", caseText());
    bool packedRight = true;
    for (int64_t j = 0; j < panels * nr; ++j) {
      for (int64_t p = 0; p < depth; ++p) {
        const T got = packed[j / nr * nr * depth + p * nr + j % nr];
        packedRight = packedRight && got == (j < columns ? b[p * bDepth + j * bColumn] : T(0));
      }
    }
    LATENT_CHECK(packedRight, "%s: packB", caseText());

    T* c = c_.template take<T>(cCount, place, offset);
    std::vector<T> before(static_cast<size_t>(cCount));
    // What is not accumulated onto must not be read: a NaN would stay. Gaps hold a value of their own.
    fill(before.data(), cCount, integers);
    for (int64_t i = 0; i < cCount; ++i) {
      if (i % cRow >= columns) before[static_cast<size_t>(i)] = T(12345);
      else if (!accumulate) before[static_cast<size_t>(i)] = std::numeric_limits<T>::quiet_NaN();
      c[i] = before[static_cast<size_t>(i)];
    }
    kernel_.gemmBlock(rows, columns, depth, a, aRow, packed, c, cRow, accumulate, bias,
                      relu ? Activation::kRelu : Activation::kNone);
    LATENT_CHECK(c_.untouchedOutside(), "%s: wrote outside C", caseText());

    const Product want = referenceGemm<T>(rows, columns, depth, {a, aRow, 1}, {b, bDepth, bColumn},
                                          accumulate ? before.data() : nullptr, cRow, bias, relu);
    for (int64_t i = 0; i < cCount; ++i) {
      if (i % cRow < columns) compare(want, i / cRow * columns + i % cRow, c[i], depth, integers);
      else LATENT_CHECK(c[i] == T(12345), "%s: the gap at %lld was written", caseText(), wide(i));
    }
  }

  void packedRows(int64_t rows, int64_t depth) {
    const int64_t strides[][2] = {{depth + 3, 1}, {1, rows + 2}, {2 * depth + 1, 2}};
    for (const int64_t* stride : strides) {
      for (Place place : {Place::kEnding, Place::kBeginning}) {
        setCase("%s %s packA rows=%lld depth=%lld aRow=%lld aDepth=%lld place=%d", table_.name, typeName<T>(),
                wide(rows), wide(depth), wide(stride[0]), wide(stride[1]), static_cast<int>(place));
        const int64_t count = rows == 0 || depth == 0 ? 0 : (rows - 1) * stride[0] + (depth - 1) * stride[1] + 1;
        T* a = a_.template take<T>(count, place);
        fill(a, count, false);
        T* block = packed_.template take<T>(rows * depth, place);
        kernel_.packA(rows, depth, a, stride[0], stride[1], block);
        bool right = true;
        for (int64_t i = 0; i < rows * depth; ++i) {
          right = right && block[i] == a[i / depth * stride[0] + i % depth * stride[1]];
        }
        LATENT_CHECK(right && packed_.untouchedOutside(), "%s", caseText());
      }
    }
  }

  void dots(int64_t n, int64_t depth) {
    for (int flags = 0; flags < 8; ++flags) {
      const bool integers = flags & 1;
      const Place place = flags & 2 ? Place::kEnding : Place::kBeginning;
      const int64_t bRow = depth + (flags & 4 ? 3 : 0), offset = number_++ % 4;
      setCase("%s %s dotRows n=%lld depth=%lld bRow=%lld integers=%d place=%d offset=%lld", table_.name, typeName<T>(),
              wide(n), wide(depth), wide(bRow), integers, static_cast<int>(place), wide(offset));
      const int64_t bCount = n == 0 ? 0 : (n - 1) * bRow + depth;
      T* a = a_.template take<T>(depth, place, offset);
      T* b = b_.template take<T>(bCount, place, offset);
      T* y = c_.template take<T>(n, place, offset);
      fill(a, depth, integers);
      fill(b, bCount, integers);
      kernel_.dotRows(n, depth, a, b, bRow, y);
      const Product want = referenceGemm<T>(1, n, depth, {a, depth, 1}, {b, 1, bRow}, nullptr, 0, nullptr, false);
      for (int64_t j = 0; j < n; ++j) compare(want, j, y[j], depth, integers);
      LATENT_CHECK(c_.untouchedOutside(), "%s: wrote outside y", caseText());
    }
  }

  const KernelTable& table_;
  const FloatKernels<T>& kernel_;
  Generator random_;
  Guarded a_, b_, c_, bias_, packed_;
  int64_t number_ = 0;
};

}  // namespace

int main() {
  reportFaults();
  const uint64_t seed = test::seed();
  forEachSet([&](const KernelTable& table) {
    Sweep<float>(table, seed).run();
    Sweep<double>(table, seed).run();
  });
  return finish("test_gemm");
}
