// Cross-entropy with class numbers along the last dimension, and its gradient, without the softmax in memory.
#include <cmath>

#include "../cpu.h"
#include "../tensor/dispatch.h"
#include "../tensor/move.h"
#include "../tensor/strided.h"
#include "ops.h"

namespace latent {
namespace {

// Labels of any type as class numbers; kIndex when one is none of [0, classes), or no whole number.
class Classes {
 public:
  Classes(const View& labels, int64_t classes)
      : source_(labels), numbers_(static_cast<size_t>(labels.size()) * sizeof(int64_t)) {
    if (source_.failed() || numbers_.failed()) {
      status_ = Status::kOutOfMemory;
      return;
    }
    withType(labels.dtype, [&](auto type) {
      using T = typename decltype(type)::Of;
      for (int64_t i = 0; i < labels.size(); ++i) {
        const T label = source_.as<T>()[i];
        if (!isClass(label, classes)) {
          status_ = Status::kIndex;
          return;
        }
        numbers_.as<int64_t>()[i] = numberOf(label);
      }
    });
  }
  Status status() const { return status_; }
  // Those of the rows from `row` on.
  const int64_t* from(int64_t row) const { return numbers_.as<int64_t>() + row; }
  int64_t operator[](int64_t row) const { return *from(row); }

 private:
  template <class T>
  static int64_t numberOf(T label) {
    if constexpr (std::is_same_v<T, Bool>) return label.v != 0;
    else return static_cast<int64_t>(label);
  }
  template <class T>
  static bool isClass(T label, int64_t classes) {
    if constexpr (std::is_floating_point_v<T>) {
      return label >= 0 && static_cast<double>(label) < static_cast<double>(classes) && label == std::floor(label);
    } else {
      return numberOf(label) >= 0 && numberOf(label) < classes;
    }
  }

  Contiguous source_;
  Scratch numbers_;
  Status status_ = Status::kOk;
};

bool labelsFit(const View& x, const View& labels) {
  if (!isFloat(x.dtype) || x.rank < 1 || labels.rank != x.rank - 1) return false;
  for (int d = 0; d < labels.rank; ++d) {
    if (labels.shape[d] != x.shape[d]) return false;
  }
  return true;
}

int64_t rowGrain(int64_t classes) { return kElementGrain / (8 * (classes + 1)) + 1; }

// in: x, labels of its shape without the last dimension. ints: whether x holds logarithms of probabilities already.
// out[i] = ln Σ e^x[i] - x[i][label], or -x[i][label].
Status runCrossEntropy(Call& call) {
  const View &x = call.in[0], &labels = call.in[1], &out = call.out;
  if (!labelsFit(x, labels) || !out.sameShape(labels) || out.dtype != x.dtype || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  const int64_t classes = x.shape[x.rank - 1];
  const bool isLog = call.ints[0] != 0;
  const Classes label(labels, classes);
  if (label.status() != Status::kOk) return label.status();
  const Contiguous source(x);
  if (source.failed()) return Status::kOutOfMemory;
  withFloat(x.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    parallelRanges(labels.size(), rowGrain(classes), [&](int64_t begin, int64_t end) {
      const T* const rows = source.as<T>();
      if (isLog) {
        for (int64_t i = begin; i < end; ++i) out.as<T>()[i] = -rows[i * classes + label[i]];
      } else {
        floatKernels<T>(kernels()).crossEntropyRows(end - begin, classes, rows + begin * classes, label.from(begin),
                                                    out.as<T>() + begin);
      }
    });
  });
  return Status::kOk;
}

// in: the gradient of the result, x, labels; ints as above. out: the gradient of x.
Status runCrossEntropyGradient(Call& call) {
  const View &g = call.in[0], &x = call.in[1], &labels = call.in[2], &out = call.out;
  if (!labelsFit(x, labels) || !g.sameShape(labels) || g.dtype != x.dtype || !out.sameShape(x) || out.dtype != x.dtype ||
      !out.contiguous()) {
    return LATENT_BROKEN;
  }
  const int64_t classes = x.shape[x.rank - 1];
  const bool isLog = call.ints[0] != 0;
  const Classes label(labels, classes);
  if (label.status() != Status::kOk) return label.status();
  const Contiguous source(x), gradient(g);
  if (source.failed() || gradient.failed()) return Status::kOutOfMemory;
  if (isLog) fillWith(out, 0);
  withFloat(x.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    parallelRanges(labels.size(), rowGrain(classes), [&](int64_t begin, int64_t end) {
      T* const rows = out.as<T>();
      const T* const gradients = gradient.as<T>();
      if (isLog) {
        for (int64_t i = begin; i < end; ++i) rows[i * classes + label[i]] = -gradients[i];
      } else {
        floatKernels<T>(kernels()).crossEntropyGradientRows(end - begin, classes, source.as<T>() + begin * classes,
                                                            label.from(begin), gradients + begin, rows + begin * classes);
      }
    });
  });
  return Status::kOk;
}

const OpEntry kEntries[] = {
    {"crossEntropy", OpKind::kFill, 2, 2, runCrossEntropy},
    {"crossEntropyGradient", OpKind::kFill, 3, 3, runCrossEntropyGradient},
};

}  // namespace

const OpList kCrossEntropyOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
