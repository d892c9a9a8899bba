// softmax(q·kᵀ·scale)·v, a block of queries at a time: scores stay in the cache, and are nobody's tensor.
#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>

#include "../caches.h"
#include "../cpu.h"
#include "../tensor/dispatch.h"
#include "../tensor/operand.h"
#include "../tensor/strided.h"
#include "../threads.h"
#include "ops.h"

namespace latent {
namespace {

// Multiply-adds of a task.
constexpr double kTaskWork = 1 << 18;
// Queries of a block where there are several: more than what a product treats as few rows, so that a cut shows in no bit.
constexpr int64_t kLeastQueries = 72;

struct Sizes {
  int64_t queries, keys, depth, size;
};

// How many blocks the queries are cut into: the scores of one take a share of the second cache.
int64_t blocksOf(const Sizes& s, int64_t elementBytes) {
  const int64_t fitting = caches().l2 / 4 / std::max<int64_t>(s.keys * elementBytes, 1);
  const int64_t rows = std::max(fitting, kLeastQueries);
  return (s.queries + rows - 1) / rows;
}

// The keys that a query sees: bytes of a mask, by strides; without data all. A causal one sees `ahead` keys more than its number.
struct Sight {
  const uint8_t* mask;
  int64_t row, column;
  bool causal;
  int64_t ahead;

  int64_t reach(int64_t query, int64_t keys) const { return causal ? std::min(keys, query + ahead) : keys; }

  template <class T>
  void hide(int64_t query, int64_t reach, T value, T* scores) const {
    if (mask == nullptr) return;
    const uint8_t* seen = mask + query * row;
    for (int64_t j = 0; j < reach; ++j) scores[j] = seen[j * column] != 0 ? scores[j] : value;
  }
};

template <class T>
struct Attention {
  Sizes sizes;
  T scale;
  Matrix<const T> q, turnedK, v;
  Sight sight;
  T* out;

  static size_t roomFor(const Sizes& s, int64_t rows) { return static_cast<size_t>(rows * (s.keys + s.depth)) * sizeof(T); }

  // Queries [begin, begin + rows).
  Status run(int64_t begin, int64_t rows, T* room) const {
    const auto [queries, keys, depth, size] = sizes;
    T *const scores = room, *const scaled = room + rows * keys;
    for (int64_t i = 0; i < rows; ++i) {
      const T* from = q.data + (begin + i) * q.row;
      for (int64_t p = 0; p < depth; ++p) scaled[i * depth + p] = from[p * q.column] * scale;
    }
    const Status status = gemm<T>(rows, keys, depth, {scaled, depth, 1}, turnedK, scores, keys, {}, nullptr, 0);
    if (status != Status::kOk) return status;
    const auto softmax = floatKernels<T>(kernels()).softmaxRow;
    for (int64_t i = 0; i < rows; ++i) {
      T* row = scores + i * keys;
      const int64_t reach = sight.reach(begin + i, keys);
      sight.hide(begin + i, reach, -std::numeric_limits<T>::infinity(), row);
      softmax(reach, row, row);
      // A query that sees nothing has no weights: its softmax is no number.
      sight.hide(begin + i, reach, T(0), row);
      std::fill(row + reach, row + keys, T(0));
    }
    return gemm<T>(rows, size, keys, {scores, keys, 1}, v, out + begin * size, size, {}, nullptr, 0);
  }
};

// The sizes in front of the last two.
View batchOf(const View& v) {
  View batch = v;
  batch.rank -= 2;
  return batch;
}

// With the last two axes in each other's place.
View turned(const View& v) {
  View t = v;
  std::swap(t.shape[v.rank - 1], t.shape[v.rank - 2]);
  std::swap(t.stride[v.rank - 1], t.stride[v.rank - 2]);
  return t;
}

int64_t fromEnd(const View& v, int d) { return v.shape[v.rank - d]; }

bool fits(const View& q, const View& k, const View& v, const View* mask, const View& out) {
  for (const View* one : {&q, &k, &v, &out}) {
    if (one->rank < 2 || one->dtype != out.dtype) return false;
  }
  if (!isFloat(out.dtype) || !out.contiguous() || fromEnd(q, 1) != fromEnd(k, 1) || fromEnd(k, 2) != fromEnd(v, 2) ||
      fromEnd(out, 2) != fromEnd(q, 2) || fromEnd(out, 1) != fromEnd(v, 1)) {
    return false;
  }
  return mask == nullptr || (mask->dtype == DType::kBool && mask->rank >= 2 && fromEnd(*mask, 2) == fromEnd(q, 2) &&
                             fromEnd(*mask, 1) == fromEnd(k, 2));
}

// in: q[..., queries, depth], k[..., keys, depth], v[..., keys, size], perhaps a mask[..., queries, keys] that is true where
// a key is seen. ints: whether a place sees those before it and itself alone, the queries at the end of the keys; reals: the
// scale. out[..., queries, size].
Status runAttention(Call& call) {
  const View* mask = call.inputs > 3 ? &call.in[3] : nullptr;
  const View& out = call.out;
  if (!fits(call.in[0], call.in[1], call.in[2], mask, out)) return LATENT_BROKEN;
  const bool causal = call.ints[0] != 0;
  const Sizes sizes{fromEnd(out, 2), fromEnd(call.in[1], 2), fromEnd(call.in[0], 1), fromEnd(out, 1)};
  if (causal && sizes.queries > sizes.keys) return LATENT_BROKEN;
  if (out.size() == 0) return Status::kOk;
  const Operand q(call.in[0]), k(turned(call.in[1])), v(call.in[2]);
  if (q.failed() || k.failed() || v.failed()) return Status::kOutOfMemory;
  const View outBatch = batchOf(out), qBatch = batchOf(q.view()), kBatch = batchOf(k.view()), vBatch = batchOf(v.view());
  const View maskBatch = mask == nullptr ? qBatch : batchOf(*mask);
  Loop<5> loop;
  if (!makeLoop<5>(outBatch, {&qBatch, &kBatch, &vBatch, &maskBatch}, loop)) return LATENT_BROKEN;
  std::atomic<Status> status{Status::kOk};
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const int64_t blocks = blocksOf(sizes, static_cast<int64_t>(sizeof(T)));
    const int64_t rows = (sizes.queries + blocks - 1) / blocks;
    const auto cut = [&](int64_t block) { return sizes.queries * block / blocks; };
    const auto range = [&](int64_t begin, int64_t end) {
      const Scratch room(Attention<T>::roomFor(sizes, rows));
      if (room.failed()) status = Status::kOutOfMemory;
      for (int64_t item = begin; item < end && status == Status::kOk; ++item) {
        const int64_t index = item / blocks, first = cut(item % blocks);
        loop.forRows(index, index + 1, [&](const int64_t (&o)[5], int64_t) {
          Matrix<const T> x = q.matrix<T>(), y = k.matrix<T>(), z = v.matrix<T>();
          x.data += o[1];
          y.data += o[2];
          z.data += o[3];
          Sight sight{nullptr, 0, 0, causal, sizes.keys - sizes.queries + 1};
          if (mask != nullptr) {
            sight.mask = mask->as<uint8_t>() + o[4];
            sight.row = mask->stride[mask->rank - 2];
            sight.column = mask->stride[mask->rank - 1];
          }
          const Attention<T> one{sizes, static_cast<T>(call.reals[0]), x, y, z, sight, out.as<T>() + o[0]};
          const Status made = one.run(first, cut(item % blocks + 1) - first, room.template as<T>());
          if (made != Status::kOk) status = made;
        });
      }
    };
    // In double: broadcast sizes may multiply past any integer.
    const double work =
        static_cast<double>(rows) * static_cast<double>(sizes.keys) * static_cast<double>(sizes.depth + sizes.size + 1);
    parallelRanges(loop.size * blocks, std::max<int64_t>(static_cast<int64_t>(kTaskWork / (work + 1)), 1), range);
  });
  return status;
}

const OpEntry kEntries[] = {
    {"attention", OpKind::kFill, 3, 4, runAttention},
};

}  // namespace

const OpList kAttentionOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
