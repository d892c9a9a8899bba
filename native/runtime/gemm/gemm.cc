#include "gemm.h"

#include <algorithm>

#include "../../kernels/unary.h"
#include "../integers.h"
#include "../threads.h"
#include "blocking.h"

namespace latent {
namespace {

// Where each weight is read for so few rows that reading it is the work, fewer multiply-adds are worth several threads: two
// caches hold more than one.
constexpr int64_t kFewRows = 3;
constexpr double kSerialWorkOfFewRows = 1 << 17;
// Tasks for each thread, so that one that is held up leaves the others something to do.
constexpr int64_t kTasksPerThread = 3;
// Panels that one task packs.
constexpr int64_t kPanelsPerTask = 4;
// Rows of C that are worth a task of their own.
constexpr int64_t kLeastRows = 32;
// No set has higher tiles, or wider vectors.
constexpr int64_t kMaxTileRows = 8, kMaxVectorBytes = 64;
// Longer sums are taken in parts of so many terms, which are added in order: an element is then the sum of at most some
// hundred chains or parts.
constexpr int64_t kLongestSum = 256 * kChain;

// A buffer that each thread keeps for what it packs.
class ThreadBuffer {
 public:
  ~ThreadBuffer() { drop(); }
  // Null when memory is short.
  void* atLeast(size_t bytes) {
    if (bytes > bytes_) {
      drop();
      data_ = memory::take(bytes);
      bytes_ = data_ == nullptr ? 0 : bytes;
    }
    return data_;
  }

 private:
  void drop() {
    if (data_ != nullptr) memory::give(data_, bytes_);
    data_ = nullptr;
    bytes_ = 0;
  }

  void* data_ = nullptr;
  size_t bytes_ = 0;
};

thread_local ThreadBuffer tilesOfA, panelsOfB;

// Where a thread packs, and the block that fits. Without memory it makes do with a little of its stack: the blocks are
// smaller, the sums the same.
template <class T>
class Workplace {
 public:
  Workplace(const GemmShape& shape, const GemmPlan& plan, int64_t rows)
      : depth(plan.depthBlock), rows(plan.rowBlock), across(shape.across) {
    const int64_t height = rows < plan.rowBlock ? rows : plan.rowBlock;
    tiles = static_cast<T*>(roomFor(tilesOfA, plan.reading == Reading::kTiles, packedRows(height, shape.mr)));
    panels = static_cast<T*>(roomFor(panelsOfB, true, shape.across * shape.lanes));
    if (tiles != nullptr && panels != nullptr) return;
    depth = std::min(depth, kChain);
    this->rows = shape.mr;
    across = 1;
    tiles = littleTiles_;
    panels = littlePanels_;
  }

  int64_t depth, rows, across;  // of a block; panels side by side
  T *tiles, *panels;

 private:
  void* roomFor(ThreadBuffer& buffer, bool wanted, int64_t width) {
    return buffer.atLeast(static_cast<size_t>(wanted ? width * depth : 1) * sizeof(T));
  }

  alignas(64) T littleTiles_[kChain * kMaxTileRows];
  alignas(64) T littlePanels_[kChain * kMaxVectorBytes / sizeof(T)];
};

template <class T>
struct Product {
  const FloatKernels<T>& kernel;
  int64_t m, n, k;
  Matrix<const T> a, b;
  T* c;
  int64_t cRow;
  const Epilogue<T>& epilogue;
  Activation activation;
  GemmPlan plan;

  int64_t lanes() const { return kernel.gemmShape.lanes; }
  int64_t panels() const { return ceilDiv(n, lanes()); }
  bool serial() const {
    const double work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
    return threads::forWork(work, m <= kFewRows ? kSerialWorkOfFewRows : threads::kSerialWork) == 1;
  }
  int64_t wantedTasks() const { return serial() ? 1 : kTasksPerThread * threads::count(); }

  // A function that no kernel has in its epilogue.
  void applyRest(int64_t i0, int64_t rows, int64_t j0, int64_t columns) const {
    if (epilogue.function == kNoUnary || activation != Activation::kNone) return;
    const auto function = kernel.unary[static_cast<int>(epilogue.function)];
    for (int64_t i = i0; i < i0 + rows; ++i) function(columns, c + i * cRow + j0, c + i * cRow + j0);
  }

  template <class F>
  void forTasks(int64_t tasks, F&& body) const {
    if (serial()) {
      for (int64_t i = 0; i < tasks; ++i) body(i);
    } else {
      parallelFor(tasks, body);
    }
  }

  // One block of rows and depth, its rows of A packed where they must be.
  GemmBlock<T> blockOf(int64_t i0, int64_t rows, int64_t p, int64_t depth, T* tiles) const {
    GemmBlock<T> g{};
    g.rows = rows;
    g.depth = depth;
    g.reading = plan.reading;
    g.a = a.data + i0 * a.row + p * a.column;
    g.aStep = plan.reading == Reading::kRows ? a.row : a.column;
    if (plan.reading == Reading::kTiles) {
      kernel.packA(rows, depth, g.a, a.row, a.column, tiles);
      g.a = tiles;
    }
    g.cRow = cRow;
    g.start = epilogue.start;  // of the whole matrix: runBlock goes to the block's place
    g.startRow = cRow;
    g.resumes = p > 0;
    g.activation = p + depth == k ? activation : Activation::kNone;
    g.rowsOutside = plan.rowsOutside;
    return g;
  }

  void runBlock(GemmBlock<T> g, int64_t i0, int64_t j0, int64_t columns) const {
    g.columns = columns;
    g.c = c + i0 * cRow + j0;
    g.bias = epilogue.bias == nullptr ? nullptr : epilogue.bias + j0;
    if (g.start != nullptr) g.start += i0 * cRow + j0;
    kernel.gemmBlock(g);
  }

  void runPacked(GemmBlock<T>& g, int64_t i0, int64_t j0, int64_t columns, const T* packed, int64_t panelDepth) const {
    g.packed = true;
    g.b = packed;
    g.bStep = lanes();
    g.bPanel = lanes() * panelDepth;
    runBlock(g, i0, j0, columns);
  }

  void pack(int64_t p, int64_t depth, int64_t j, int64_t columns, T* packed) const {
    kernel.packB(depth, columns, b.data + p * b.row + j * b.column, b.row, b.column, packed);
  }

  // All of B, as panels for each block of the depth; block p0 starts at p0·(n rounded up to whole panels).
  void packWhole(T* packed) const {
    const int64_t blocks = ceilDiv(k, plan.depthBlock), width = panels() * lanes(), group = kPanelsPerTask * lanes();
    const int64_t groups = ceilDiv(n, group);
    const auto packOne = [&](int64_t i) {
      const int64_t p0 = i / groups * plan.depthBlock, j = i % groups * group, depth = std::min(plan.depthBlock, k - p0);
      pack(p0, depth, j, std::min(group, n - j), packed + p0 * width + j * depth);
    };
    if (static_cast<double>(n) * static_cast<double>(k) < threads::kSerialWork) {
      for (int64_t i = 0; i < groups * blocks; ++i) packOne(i);
    } else {
      parallelFor(groups * blocks, packOne);
    }
  }

  // C's rows [i0, i0 + rows) × columns [j0, j0 + columns). `packed` is B as packWhole leaves it, or null.
  void runRange(int64_t i0, int64_t rows, int64_t j0, int64_t columns, const T* packed) const {
    const Workplace<T> place(kernel.gemmShape, plan, rows);
    for (int64_t p0 = 0; p0 < k; p0 += plan.depthBlock) {
      const int64_t blockDepth = std::min(plan.depthBlock, k - p0);
      const T* block = packed == nullptr ? nullptr : packed + p0 * panels() * lanes() + j0 * blockDepth;
      for (int64_t p = p0; p < p0 + blockDepth; p += place.depth) {
        const int64_t depth = std::min(place.depth, p0 + blockDepth - p);
        for (int64_t i = i0; i < i0 + rows; i += place.rows) {
          GemmBlock<T> g = blockOf(i, std::min(place.rows, i0 + rows - i), p, depth, place.tiles);
          if (block != nullptr) runPacked(g, i, j0, columns, block + (p - p0) * lanes(), blockDepth);
          else runPassing(g, i, j0, columns, p, place);
        }
      }
    }
    applyRest(i0, rows, j0, columns);
  }

  // B in place where the plan says so, but for a last panel that isn't whole; else packed just before it is used.
  void runPassing(GemmBlock<T>& g, int64_t i0, int64_t j0, int64_t columns, int64_t p, const Workplace<T>& place) const {
    int64_t j = j0;
    const int64_t end = j0 + columns, whole = columns / lanes() * lanes();
    if (plan.source == Source::kInPlace && whole > 0) {
      g.packed = false;
      g.b = b.data + p * b.row + j;
      g.bStep = b.row;
      g.bPanel = lanes();
      runBlock(g, i0, j, whole);
      j += whole;
    }
    // Panels shared out evenly, as a tile takes them.
    const int64_t left = ceilDiv(end - j, lanes()), groups = ceilDiv(left, place.across), first = j;
    for (int64_t q = 0; q < groups; ++q) {
      j = first + left * q / groups * lanes();
      const int64_t width = std::min(first + left * (q + 1) / groups * lanes(), end) - j;
      pack(p, g.depth, j, width, place.panels);
      runPacked(g, i0, j, width, place.panels, g.depth);
    }
  }

  // Where the rows are cut before the task of that number: between whole tiles, which are the fastest.
  int64_t rowCut(int64_t task, int64_t tasks) const {
    const int64_t mr = kernel.gemmShape.mr;
    return task == tasks ? m : m * task / tasks / mr * mr;
  }

  // Ranges of rows × ranges of panels, whichever are wanted to occupy the threads; a cut shows in no result.
  void byTiles(const T* packed) const {
    const int64_t wanted = wantedTasks();
    // B packed in passing would be packed by each range of rows. Where C is what moves, it is shared out in whole rows.
    int64_t rowTasks = packed == nullptr ? 1 : ceilDiv(m, plan.rowBlock);
    if (packed != nullptr && plan.rowsOutside) rowTasks = std::max(rowTasks, std::min(wanted, ceilDiv(m, kLeastRows)));
    const int64_t columnTasks = std::min(panels(), rowTasks >= wanted ? 1 : ceilDiv(wanted, rowTasks));
    forTasks(rowTasks * columnTasks, [&](int64_t index) {
      const int64_t ri = index / columnTasks, ci = index % columnTasks;
      const int64_t i0 = rowCut(ri, rowTasks), j0 = panels() * ci / columnTasks * lanes();
      runRange(i0, rowCut(ri + 1, rowTasks) - i0, j0, std::min(panels() * (ci + 1) / columnTasks * lanes(), n) - j0,
               packed);
    });
  }

  void byDots(const T* columns, int64_t bColumn) const {
    const bool tall = m > n;
    const int64_t length = tall ? m : n;
    const int64_t tasks = std::min(ceilDiv(length, kernel.gemmShape.lanes), wantedTasks());
    forTasks(tasks, [&](int64_t index) {
      const int64_t begin = length * index / tasks, end = length * (index + 1) / tasks;
      const int64_t i0 = tall ? begin : 0, rows = tall ? end - begin : m;
      const int64_t j0 = tall ? 0 : begin, width = tall ? n : end - begin;
      kernel.dotBlock({rows, width, k, a.data + i0 * a.row, a.row, columns + j0 * bColumn, bColumn, c + i0 * cRow + j0,
                       cRow, epilogue.start == nullptr ? nullptr : epilogue.start + i0 * cRow + j0, cRow,
                       epilogue.bias == nullptr ? nullptr : epilogue.bias + j0, activation});
      applyRest(i0, rows, j0, width);
    });
  }

  // On a copy of B with its columns one after another; false when there is no memory for it.
  bool byTurnedDots() const {
    const Scratch turned(static_cast<size_t>(n * k) * sizeof(T));
    if (turned.failed()) return false;
    for (int64_t p = 0; p < k; ++p) {
      for (int64_t j = 0; j < n; ++j) turned.as<T>()[j * k + p] = b.data[p * b.row + j * b.column];
    }
    byDots(turned.as<T>(), k);
    return true;
  }
};

// No depth to sum over: the start and the epilogue.
template <class T>
void multiplyNothing(Product<T>& product) {
  const T *start = product.epilogue.start, *bias = product.epilogue.bias;
  for (int64_t i = 0; i < product.m; ++i) {
    T* row = product.c + i * product.cRow;
    for (int64_t j = 0; j < product.n; ++j) {
      row[j] = start != nullptr ? start[i * product.cRow + j] : (bias != nullptr ? bias[j] : T(0));
    }
    if (product.epilogue.function == kNoUnary) continue;
    product.kernel.unary[static_cast<int>(product.epilogue.function)](product.n, row, row);
  }
}

// Elements of C that one thread turns.
constexpr int64_t kTurnGrain = int64_t(1) << 15;

template <class T>
Status multiply(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, T* c, int64_t cRow,
                const Epilogue<T>& epilogue, Storage* weight, int64_t offset);

// Computes Cᵀ = start + Bᵀ·Aᵀ in `turned`, and turns it into C.
template <class T>
Status multiplySwapped(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, T* c, int64_t cRow,
                       const Epilogue<T>& epilogue, T* turned) {
  const FloatKernels<T>& kernel = floatKernels<T>(kernels());
  Epilogue<T> own{};
  own.function = epilogue.function;
  if (epilogue.start != nullptr) {
    kernel.turn(m, n, epilogue.start, cRow, turned, m);
    own.start = turned;
  } else if (epilogue.bias != nullptr) {
    for (int64_t j = 0; j < n; ++j) std::fill_n(turned + j * m, m, epilogue.bias[j]);
    own.start = turned;
  }
  const Status status =
      multiply<T>(n, m, k, {b.data, b.column, b.row}, {a.data, a.column, a.row}, turned, m, own, nullptr, 0);
  if (status != Status::kOk) return status;
  parallelRanges(m, std::max<int64_t>(kTurnGrain / n, 1), [&](int64_t begin, int64_t end) {
    kernel.turn(n, end - begin, turned + begin, m, c + begin * cRow, cRow);
  });
  return Status::kOk;
}

// A depth of at most kLongestSum.
template <class T>
Status multiply(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, T* c, int64_t cRow,
                const Epilogue<T>& epilogue, Storage* weight, int64_t offset) {
  const FloatKernels<T>& kernel = floatKernels<T>(kernels());
  Product<T> product{kernel, m, n, k, a, b, c, cRow, epilogue, activationOf(epilogue.function), {}};
  if (k == 0) {
    multiplyNothing(product);
    return Status::kOk;
  }
  const bool kept = weight != nullptr && weight->keepsPacked();
  product.plan =
      planGemm(kernel.gemmShape, sizeof(T), m, n, k, {a.column == 1, a.row == 1}, {b.column == 1, b.row == 1}, kept);
  const GemmPlan& plan = product.plan;
  if (plan.dots) {
    if (!plan.turned) product.byDots(b.data, b.column);
    else if (!product.byTurnedDots()) return Status::kOutOfMemory;
    return Status::kOk;
  }
  const size_t bytes = static_cast<size_t>(product.panels() * product.lanes() * k) * sizeof(T);
  if (plan.source == Source::kKept) {
    // Many rows read a panel often enough. The sums are the same either way.
    const Packed packed =
        weight->packedFor({PackedForm::Use::kProduct, k, n, b.row, b.column, offset}, bytes, m > plan.rowBlock,
                          [&](void* room) { product.packWhole(static_cast<T*>(room)); });
    if (packed.data() != nullptr) {
      product.byTiles(static_cast<const T*>(packed.data()));
      return Status::kOk;
    }
  }
  if (plan.swapped) {
    const Scratch turned(static_cast<size_t>(m * n) * sizeof(T));
    // Without memory the sums are the same, and B is packed.
    if (!turned.failed()) return multiplySwapped(m, n, k, a, b, c, cRow, epilogue, turned.as<T>());
  }
  if (plan.source != Source::kInPlace && (m > plan.rowBlock || plan.rowsOutside)) {
    const Scratch scratch(bytes);
    if (!scratch.failed()) {
      product.packWhole(scratch.as<T>());
      product.byTiles(scratch.as<T>());
      return Status::kOk;
    }
  }
  product.byTiles(nullptr);
  return Status::kOk;
}

// Part after part of the depth, each but the first beside C and then added to it.
template <class T>
Status multiplyLong(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, T* c, int64_t cRow,
                    const Epilogue<T>& epilogue) {
  const FloatKernels<T>& kernel = floatKernels<T>(kernels());
  const auto add = kernel.binary[static_cast<int>(Binary::kAdd)][static_cast<int>(Broadcast::kNone)];
  const Scratch part(static_cast<size_t>(m * n) * sizeof(T));
  if (part.failed()) return Status::kOutOfMemory;
  Epilogue<T> first = epilogue;
  first.function = kNoUnary;
  for (int64_t p = 0; p < k; p += kLongestSum) {
    const Matrix<const T> columns{a.data + p * a.column, a.row, a.column}, rows{b.data + p * b.row, b.row, b.column};
    const int64_t depth = std::min(kLongestSum, k - p);
    const Status status = p == 0 ? multiply<T>(m, n, depth, columns, rows, c, cRow, first, nullptr, 0)
                                 : multiply<T>(m, n, depth, columns, rows, part.as<T>(), n, {}, nullptr, 0);
    if (status != Status::kOk) return status;
    for (int64_t i = 0; p > 0 && i < m; ++i) add(n, c + i * cRow, part.as<T>() + i * n, c + i * cRow);
  }
  if (epilogue.function == kNoUnary) return Status::kOk;
  const auto function = kernel.unary[static_cast<int>(epilogue.function)];
  for (int64_t i = 0; i < m; ++i) function(n, c + i * cRow, c + i * cRow);
  return Status::kOk;
}

}  // namespace

Activation activationOf(Unary function) {
  switch (function) {
    case Unary::kRelu: return Activation::kRelu;
    case Unary::kTanh: return Activation::kTanh;
    case Unary::kSigmoid: return Activation::kSigmoid;
    case Unary::kGelu: return Activation::kGelu;
    case Unary::kSilu: return Activation::kSilu;
    default: return Activation::kNone;
  }
}

template <class T>
Status gemm(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, T* c, int64_t cRow,
            const Epilogue<T>& epilogue, Storage* weight, int64_t offset) {
  if (m == 0 || n == 0) return Status::kOk;
  if (k > kLongestSum) return multiplyLong<T>(m, n, k, a, b, c, cRow, epilogue);
  return multiply<T>(m, n, k, a, b, c, cRow, epilogue, weight, offset);
}

template Status gemm<float>(int64_t, int64_t, int64_t, Matrix<const float>, Matrix<const float>, float*, int64_t,
                            const Epilogue<float>&, Storage*, int64_t);
template Status gemm<double>(int64_t, int64_t, int64_t, Matrix<const double>, Matrix<const double>, double*, int64_t,
                             const Epilogue<double>&, Storage*, int64_t);

}  // namespace latent
