#include "update.h"

#include <cmath>
#include <limits>

#include "cpu.h"
#include "ops/dispatch.h"
#include "threads.h"

namespace latent {
namespace {

constexpr int64_t kUpdateGrain = 32768;

bool like(const View& weight, const View& other) {
  return other.dtype == weight.dtype && other.sameShape(weight) && other.contiguous();
}

// How many of the places for what is kept a rule must have; SGD and RMSProp do without those that come after.
int leastKept(Rule rule) {
  switch (rule) {
    case Rule::kSgd: return 0;
    case Rule::kRmsProp: case Rule::kAdagrad: return 1;
    default: return 2;
  }
}

// All tensors as one long row, cut for the threads without regard to where one ends.
template <class F>
void forParts(const Update* updates, int64_t count, F&& part) {
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) total += updates[i].weight.size();
  parallelRanges(total, kUpdateGrain, [&](int64_t begin, int64_t end) {
    int64_t first = 0;
    for (int64_t i = 0; i < count && first < end; ++i) {
      const int64_t size = updates[i].weight.size(), from = begin > first ? begin - first : 0;
      const int64_t to = end - first < size ? end - first : size;
      first += size;
      if (from < to) part(i, from, to - from);
    }
  });
}

template <class T>
void applyRange(Rule rule, const Update& u, int64_t begin, int64_t n) {
  T* kept[kMaxKept];
  for (int j = 0; j < kMaxKept; ++j) kept[j] = u.kept[j].data == nullptr ? nullptr : u.kept[j].as<T>() + begin;
  floatKernels<T>(kernels()).update[static_cast<int>(rule)](n, u.weight.as<T>() + begin, u.gradient.as<T>() + begin, kept,
                                                           u.args);
}

void applyAll(Rule rule, const Update* updates, int64_t count) {
  forParts(updates, count, [&](int64_t i, int64_t begin, int64_t n) {
    withFloat(updates[i].weight.dtype, [&](auto type) {
      applyRange<typename decltype(type)::Of>(rule, updates[i], begin, n);
    });
  });
}

// Σ x² of each of `count` views, view(i) being the i-th. The room for it is asked for ahead of all changes.
template <class F>
class Squares {
 public:
  Squares(int64_t count, F view) : count_(count), view_(view), parts_(all()), room_(bytes()) {}
  bool failed() const { return room_.failed(); }

  // sums()[i] is that of the i-th.
  const double* sums() const {
    double* const sums = room_.template as<double>();
    double* const parts = sums + count_;
    parallelFor(parts_, [&](int64_t index) {
      int64_t i = 0, part = index;
      while (part >= partsOf(view_(i))) part -= partsOf(view_(i++));
      const View& v = view_(i);
      const int64_t begin = part * kUpdateGrain, rest = v.size() - begin, n = rest < kUpdateGrain ? rest : kUpdateGrain;
      withFloat(v.dtype, [&](auto type) {
        using T = typename decltype(type)::Of;
        parts[index] = floatKernels<T>(kernels()).sumOfSquares(n, v.as<T>() + begin);
      });
    });
    const double* next = parts;
    for (int64_t i = 0; i < count_; ++i) {
      sums[i] = 0;
      for (int64_t part = partsOf(view_(i)); part > 0; --part) sums[i] += *next++;
    }
    return sums;
  }

 private:
  // By the size alone, so that a sum knows nothing of threads.
  static int64_t partsOf(const View& v) { return (v.size() + kUpdateGrain - 1) / kUpdateGrain; }
  int64_t all() const {
    int64_t parts = 0;
    for (int64_t i = 0; i < count_; ++i) parts += partsOf(view_(i));
    return parts;
  }
  size_t bytes() const { return static_cast<size_t>(count_ + parts_) * sizeof(double); }

  int64_t count_;
  F view_;
  int64_t parts_;
  Scratch room_;
};

Status clip(Update* updates, int64_t count, double clipNorm, double& norm) {
  const Squares squares(count, [&](int64_t i) -> const View& { return updates[i].gradient; });
  if (squares.failed()) return Status::kOutOfMemory;
  const double* sums = squares.sums();
  double total = 0;
  for (int64_t i = 0; i < count; ++i) total += updates[i].args.gradScale * updates[i].args.gradScale * sums[i];
  norm = std::sqrt(total);
  if (!(norm > clipNorm) || !std::isfinite(norm)) return Status::kOk;
  for (int64_t i = 0; i < count; ++i) updates[i].args.gradScale *= clipNorm / norm;
  return Status::kOk;
}

// Bytes in whole cache lines.
size_t linesOf(const View& v) { return (static_cast<size_t>(v.size()) * sizeOf(v.dtype) + 63) / 64 * 64; }

// The directions are worked out first; then each weight moves along its own by a step in proportion to its length.
Status applyLamb(Update* updates, int64_t count) {
  size_t bytes = 0;
  for (int64_t i = 0; i < count; ++i) bytes += linesOf(updates[i].weight);
  const Scratch directions(bytes);
  const Squares squares(2 * count, [&](int64_t i) -> const View& {
    return i < count ? updates[i].weight : updates[i - count].gradient;
  });
  if (directions.failed() || squares.failed()) return Status::kOutOfMemory;
  char* at = directions.as<char>();
  for (int64_t i = 0; i < count; at += linesOf(updates[i++].weight)) {
    updates[i].kept[2] = updates[i].weight;
    updates[i].kept[2].data = at;
  }
  applyAll(Rule::kLamb, updates, count);
  for (int64_t i = 0; i < count; ++i) updates[i].gradient = updates[i].kept[2];
  const double* sums = squares.sums();
  for (int64_t i = 0; i < count; ++i) {
    Update& u = updates[i];
    const UpdateArgs& args = u.args;
    const double length = std::sqrt(sums[i]), step = std::sqrt(sums[count + i]);
    const double most = length > args.mostRatio ? args.mostRatio : length;
    const double bounded = most < args.leastRatio ? args.leastRatio : most;
    UpdateArgs along{};
    along.rate = args.rate;
    along.gradScale = bounded > 0 && step > 0 ? bounded / step : 1;
    along.clip = std::numeric_limits<double>::infinity();
    u.args = along;
    for (View& kept : u.kept) kept.data = nullptr;
  }
  applyAll(Rule::kSgd, updates, count);
  return Status::kOk;
}

}  // namespace

Status checkUpdate(Rule rule, const Update& u) {
  if (!isFloat(u.weight.dtype) || !u.weight.contiguous() || !like(u.weight, u.gradient)) return Status::kContract;
  for (int j = 0; j < kMaxKept; ++j) {
    if (u.kept[j].data == nullptr ? j < leastKept(rule) && u.weight.size() > 0 : !like(u.weight, u.kept[j])) {
      return Status::kContract;
    }
  }
  return Status::kOk;
}

Status applyUpdates(Rule rule, Update* updates, int64_t count, double clipNorm, double& norm) {
  norm = 0;
  if (std::isfinite(clipNorm)) {
    const Status status = clip(updates, count, clipNorm, norm);
    if (status != Status::kOk) return status;
  }
  if (rule == Rule::kLamb) return applyLamb(updates, count);
  applyAll(rule, updates, count);
  return Status::kOk;
}

}  // namespace latent
