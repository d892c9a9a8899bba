// The arguments and moments that normalizations of rows, of groups of channels and of batches have in common.
//
// Normalized values are n = (x - mean)/√(variance + ε); gradients take mean and variance as functions of x, but for those
// of a batch that are given as constants. Rows and groups leave mean and 1/√(variance + ε) of each for their gradients.
#pragma once

#include <cmath>

#include "../call.h"
#include "../cpu.h"
#include "../tensor/move.h"

namespace latent {

// The parameters that there are, and the gradients that are wanted.
enum NormFlag : int32_t { kGamma = 1, kBeta = 2, kCentered = 4, kWantX = 8, kWantGamma = 16, kWantBeta = 32 };

struct Moments {
  double mean, scale;

  template <class T>
  void leave(const View* moments, int64_t row) const {
    if (moments == nullptr) return;
    moments->as<T>()[2 * row] = static_cast<T>(mean);
    moments->as<T>()[2 * row + 1] = static_cast<T>(scale);
  }
};

// Two for each of so many rows.
inline bool areMoments(const View& v, DType dtype, int64_t rows) {
  return v.dtype == dtype && v.rank == 2 && v.shape[0] == rows && v.shape[1] == 2 && v.contiguous();
}

inline bool isVector(const View& v, DType dtype, int64_t size) {
  return v.dtype == dtype && v.rank == 1 && v.shape[0] == size && v.contiguous();
}

inline bool isSet(int32_t flags, int32_t flag) { return (flags & flag) != 0; }

// Takes inputs one after another where flags say that they are there, and counts how many must be.
class Inputs {
 public:
  Inputs(const Call& call, int first) : call_(call), next_(first) {}
  // Null without the flag; a vector that isn't one fails.
  const View* vector(bool there, DType dtype, int64_t size) {
    if (!there) return nullptr;
    if (next_ >= call_.inputs || !isVector(call_.in[next_], dtype, size)) {
      failed_ = true;
      return nullptr;
    }
    return &call_.in[next_++];
  }
  bool whole() const { return !failed_ && next_ == call_.inputs; }

 private:
  const Call& call_;
  int next_;
  bool failed_ = false;
};

// The outputs that flags ask for, in order, each of the shape that it must have.
class Outputs {
 public:
  explicit Outputs(Call& call) : call_(call) {}
  const View* like(bool wanted, const View& x) {
    const View* out = take(wanted);
    if (out != nullptr) failed_ = failed_ || !out->sameShape(x) || !out->contiguous();
    return out;
  }
  const View* vector(bool wanted, int64_t size) {
    const View* out = take(wanted);
    if (out != nullptr) failed_ = failed_ || !isVector(*out, call_.out.dtype, size);
    return out;
  }
  bool whole() const { return !failed_ && next_ == call_.outputs; }

 private:
  const View* take(bool wanted) {
    if (!wanted) return nullptr;
    if (next_ >= call_.outputs) {
      failed_ = true;
      return nullptr;
    }
    return &call_.output(next_++);
  }

  Call& call_;
  int next_ = 0;
  bool failed_ = false;
};

// The gradients of what scales and shifts no element.
inline Status ofNothing(const View* dGamma, const View* dBeta) {
  if (dGamma != nullptr) fillWith(*dGamma, 0);
  if (dBeta != nullptr) fillWith(*dBeta, 0);
  return Status::kOk;
}

template <class T>
const T* dataOf(const View* v) {
  return v == nullptr ? nullptr : v->as<const T>();
}
template <class T>
T* roomOf(const View* v) {
  return v == nullptr ? nullptr : v->as<T>();
}

// For rows whose squares leave the range of a double: in units of the largest deviation.
template <class T>
Moments wideMoments(int64_t n, const T* x, double mean, double epsilon) {
  double unit = 0, squares = 0;
  for (int64_t i = 0; i < n; ++i) unit = std::fmax(unit, std::fabs(static_cast<double>(x[i]) - mean));
  for (int64_t i = 0; i < n; ++i) {
    const double d = (static_cast<double>(x[i]) - mean) / unit;
    squares += d * d;
  }
  return {mean, 1 / std::sqrt(squares / static_cast<double>(n) + epsilon / unit / unit) / unit};
}

template <class T>
Moments rowMoments(int64_t n, const T* x, bool centered, double epsilon) {
  const auto& k = floatKernels<T>(kernels());
  double mean = 0, squares = 0;
  if (centered) k.moments(1, n, n, x, &mean, &squares);
  else squares = k.sumOfSquares(n, x);
  if (!std::isfinite(squares)) return wideMoments(n, x, mean, epsilon);
  return {mean, 1 / std::sqrt(squares / static_cast<double>(n) + epsilon)};
}

// x[batch, channels, …] with `inner` elements after the first two dimensions.
struct Planes {
  int64_t batch, channels, inner;
};

inline bool planesOf(const View& x, Planes& planes) {
  if (x.rank < 2) return false;
  planes = {x.shape[0], x.shape[1], 1};
  for (int d = 2; d < x.rank; ++d) planes.inner *= x.shape[d];
  return true;
}

}  // namespace latent
