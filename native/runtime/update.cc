#include "update.h"

#include "cpu.h"
#include "ops/dispatch.h"
#include "threads.h"

namespace latent {
namespace {

constexpr int64_t kUpdateGrain = 32768;

bool like(const View& weight, const View& other) {
  return other.dtype == weight.dtype && other.sameShape(weight) && other.contiguous();
}

template <class T>
void applyRange(Rule rule, const Update& u, int64_t begin, int64_t n) {
  const auto& k = floatKernels<T>(kernels());
  T* weight = u.weight.as<T>() + begin;
  const T* gradient = u.gradient.as<T>() + begin;
  T* first = u.first.data == nullptr ? nullptr : u.first.as<T>() + begin;
  if (rule == Rule::kSgd) k.sgd(n, weight, gradient, first, u.args);
  else k.adam(n, weight, gradient, first, u.second.as<T>() + begin, u.args);
}

}  // namespace

Status checkUpdate(Rule rule, const Update& u) {
  if (!isFloat(u.weight.dtype) || !u.weight.contiguous() || !like(u.weight, u.gradient)) return Status::kContract;
  if (u.first.data != nullptr && !like(u.weight, u.first)) return Status::kContract;
  if (rule == Rule::kAdam && (u.first.data == nullptr || u.second.data == nullptr || !like(u.weight, u.second))) {
    return Status::kContract;
  }
  return Status::kOk;
}

// All tensors as one long row, cut for the threads without regard to where one ends.
void applyUpdates(Rule rule, const Update* updates, int64_t count) {
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) total += updates[i].weight.size();
  parallelRanges(total, kUpdateGrain, [&](int64_t begin, int64_t end) {
    int64_t first = 0;
    for (int64_t i = 0; i < count && first < end; ++i) {
      const Update& u = updates[i];
      const int64_t size = u.weight.size(), from = begin > first ? begin - first : 0;
      const int64_t to = end - first < size ? end - first : size;
      first += size;
      if (from >= to) continue;
      withFloat(u.weight.dtype, [&](auto type) { applyRange<typename decltype(type)::Of>(rule, u, from, to - from); });
    }
  });
}

}  // namespace latent
