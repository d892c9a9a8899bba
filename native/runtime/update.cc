#include "update.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include "cpu.h"
#include "marks.h"
#include "tensor/dispatch.h"
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
    case Rule::kRmsProp:
    case Rule::kAdagrad: return 1;
    default: return 2;
  }
}

// A run of an update's elements that is gone through, and how many elements lie in the runs before it. At most
// kUpdateGrain long, by the tensor alone, so that a sum over runs knows nothing of threads.
struct Span {
  int64_t update, begin, size, before;
};

// All updates as one long row of runs: those of a whole tensor, or where rows are marked those of these.
class Spans {
 public:
  Spans(const Update* updates, int64_t count) : room_(static_cast<size_t>(runs(updates, count)) * sizeof(Span)) {
    if (failed()) return;
    forRuns(updates, count, [&](int64_t i, int64_t begin, int64_t size) {
      new (spans() + count_++) Span{i, begin, size, total_};
      total_ += size;
    });
  }

  bool failed() const { return room_.failed(); }
  int64_t count() const { return count_; }
  const Span& operator[](int64_t i) const { return spans()[i]; }

  // Calls part(update, begin, n) from several threads, cut without regard to where a run ends.
  template <class F>
  void forParts(F&& part) const {
    parallelRanges(total_, kUpdateGrain, [&](int64_t begin, int64_t end) {
      const Span* const last = spans() + count_;
      const auto starts = [](int64_t at, const Span& span) { return at < span.before; };
      for (const Span* span = std::upper_bound<const Span*>(spans(), last, begin, starts) - 1; begin < end; ++span) {
        const int64_t to = std::min(end, span->before + span->size);
        if (begin < to) part(span->update, span->begin + begin - span->before, to - begin);
        begin = std::max(begin, to);
      }
    });
  }

 private:
  template <class F>
  static void forRuns(const Update* updates, int64_t count, F&& run) {
    for (int64_t i = 0; i < count; ++i) {
      const View &weight = updates[i].weight, &marks = updates[i].marks;
      const auto cut = [&](int64_t begin, int64_t end) {
        for (; begin < end; begin += kUpdateGrain) run(i, begin, std::min(end - begin, kUpdateGrain));
      };
      const int64_t size = weight.size();
      if (marks.data == nullptr) {
        cut(0, size);
      } else if (size > 0) {
        const int64_t rows = weight.shape[0], width = size / rows;
        forMarked(marks.as<uint8_t>(), rows, [&](int64_t begin, int64_t end) { cut(begin * width, end * width); });
      }
    }
  }

  static int64_t runs(const Update* updates, int64_t count) {
    int64_t found = 0;
    forRuns(updates, count, [&](int64_t, int64_t, int64_t) { ++found; });
    return found;
  }

  Span* spans() const { return room_.as<Span>(); }

  int64_t count_ = 0, total_ = 0;
  Scratch room_;
};

template <class T>
void applyRange(Rule rule, const Update& u, int64_t begin, int64_t n) {
  T* kept[kMaxKept];
  for (int j = 0; j < kMaxKept; ++j) kept[j] = u.kept[j].data == nullptr ? nullptr : u.kept[j].as<T>() + begin;
  floatKernels<T>(kernels()).update[static_cast<int>(rule)](n, u.weight.as<T>() + begin, u.gradient.as<T>() + begin, kept,
                                                            u.args);
}

void applyAll(Rule rule, const Update* updates, const Spans& spans) {
  spans.forParts([&](int64_t i, int64_t begin, int64_t n) {
    withFloat(updates[i].weight.dtype,
              [&](auto type) { applyRange<typename decltype(type)::Of>(rule, updates[i], begin, n); });
  });
}

// Σ x² of one tensor of each update, over its runs. The room for it is asked for ahead of all changes.
class Squares {
 public:
  Squares(const Spans& spans, int64_t count)
      : spans_(spans), count_(count), room_(static_cast<size_t>(count + spans.count()) * sizeof(double)) {}
  bool failed() const { return room_.failed(); }

  // The i-th is that of view(i).
  template <class F>
  const double* sums(F view) const {
    double* const sums = room_.as<double>();
    double* const parts = sums + count_;
    parallelFor(spans_.count(), [&](int64_t s) {
      const Span& span = spans_[s];
      const View& v = view(span.update);
      withFloat(v.dtype, [&](auto type) {
        using T = typename decltype(type)::Of;
        parts[s] = floatKernels<T>(kernels()).sumOfSquares(span.size, v.as<T>() + span.begin);
      });
    });
    std::fill(sums, parts, 0.0);
    for (int64_t s = 0; s < spans_.count(); ++s) sums[spans_[s].update] += parts[s];
    return sums;
  }

 private:
  const Spans& spans_;
  int64_t count_;
  Scratch room_;
};

Status clip(Update* updates, int64_t count, const Spans& spans, double clipNorm, double& norm) {
  const Squares squares(spans, count);
  if (squares.failed()) return Status::kOutOfMemory;
  const double* sums = squares.sums([&](int64_t i) -> const View& { return updates[i].gradient; });
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
Status applyLamb(Update* updates, int64_t count, const Spans& spans) {
  size_t bytes = 0;
  for (int64_t i = 0; i < count; ++i) bytes += linesOf(updates[i].weight);
  const Scratch directions(bytes);
  const Squares weights(spans, count), steps(spans, count);
  if (directions.failed() || weights.failed() || steps.failed()) return Status::kOutOfMemory;
  char* at = directions.as<char>();
  for (int64_t i = 0; i < count; at += linesOf(updates[i++].weight)) {
    updates[i].kept[2] = updates[i].weight;
    updates[i].kept[2].data = at;
  }
  applyAll(Rule::kLamb, updates, spans);
  const double* lengths = weights.sums([&](int64_t i) -> const View& { return updates[i].weight; });
  const double* moves = steps.sums([&](int64_t i) -> const View& { return updates[i].kept[2]; });
  for (int64_t i = 0; i < count; ++i) {
    Update& u = updates[i];
    const UpdateArgs& args = u.args;
    u.gradient = u.kept[2];
    const double length = std::sqrt(lengths[i]), step = std::sqrt(moves[i]);
    const double most = length > args.mostRatio ? args.mostRatio : length;
    const double bounded = most < args.leastRatio ? args.leastRatio : most;
    UpdateArgs along{};
    along.rate = args.rate;
    along.gradScale = bounded > 0 && step > 0 ? bounded / step : 1;
    along.clip = std::numeric_limits<double>::infinity();
    u.args = along;
    for (View& kept : u.kept) kept.data = nullptr;
  }
  applyAll(Rule::kSgd, updates, spans);
  return Status::kOk;
}

}  // namespace

Status checkUpdate(Rule rule, const Update& u) {
  if (!isFloat(u.weight.dtype) || !u.weight.contiguous() || !like(u.weight, u.gradient)) return LATENT_BROKEN;
  for (int j = 0; j < kMaxKept; ++j) {
    if (u.kept[j].data == nullptr ? j < leastKept(rule) && u.weight.size() > 0 : !like(u.weight, u.kept[j])) {
      return LATENT_BROKEN;
    }
  }
  if (u.marks.data != nullptr) {
    if (rule == Rule::kLamb || u.marks.dtype != DType::kUint8 || u.marks.rank != 1 || !u.marks.contiguous() ||
        u.weight.rank < 1 || u.marks.shape[0] != u.weight.shape[0]) {
      return LATENT_BROKEN;
    }
  }
  return Status::kOk;
}

Status applyUpdates(Rule rule, Update* updates, int64_t count, double clipNorm, double& norm) {
  norm = 0;
  const Spans spans(updates, count);
  if (spans.failed()) return Status::kOutOfMemory;
  if (std::isfinite(clipNorm)) {
    const Status status = clip(updates, count, spans, clipNorm, norm);
    if (status != Status::kOk) return status;
  }
  if (rule == Rule::kLamb) return applyLamb(updates, count, spans);
  applyAll(rule, updates, spans);
  return Status::kOk;
}

}  // namespace latent
