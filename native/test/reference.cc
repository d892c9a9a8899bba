#include "reference.h"

#include <cmath>
#include <limits>

#include "curves.h"

namespace latent {
namespace test {

template <class T>
Product referenceGemm(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, const T* start,
                      int64_t startRow, const T* bias, Unary function) {
  Product product;
  product.value.resize(static_cast<size_t>(m * n));
  product.magnitude.resize(static_cast<size_t>(m * n));
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = start == nullptr ? 0 : static_cast<double>(start[i * startRow + j]), size = std::fabs(sum);
      for (int64_t p = 0; p < k; ++p) {
        const double term =
            static_cast<double>(a.data[i * a.row + p * a.column]) * static_cast<double>(b.data[p * b.row + j * b.column]);
        sum += term;
        size += std::fabs(term);
      }
      if (bias != nullptr) {
        sum += static_cast<double>(bias[j]);
        size += std::fabs(static_cast<double>(bias[j]));
      }
      product.value[static_cast<size_t>(i * n + j)] = function == kNoUnary ? sum : referenceUnary(function, sum);
      product.magnitude[static_cast<size_t>(i * n + j)] = size;
    }
  }
  return product;
}

double referenceUnary(Unary op, double x) {
  switch (op) {
    case Unary::kNeg: return -x;
    case Unary::kAbs: return std::fabs(x);
    case Unary::kSign: return std::isnan(x) ? x : static_cast<double>((x > 0) - (x < 0));
    case Unary::kSqrt: return std::sqrt(x);
    case Unary::kSquare: return x * x;
    case Unary::kReciprocal: return 1 / x;
    case Unary::kRelu: return x < 0 ? 0 : x;
    case Unary::kFloor: return std::floor(x);
    case Unary::kCeil: return std::ceil(x);
    case Unary::kRound: return std::nearbyint(x);
    default: return static_cast<double>(trueValue(op, static_cast<long double>(x)));
  }
}

double referenceBinary(Binary op, double a, double b) {
  const bool nan = std::isnan(a) || std::isnan(b);
  switch (op) {
    case Binary::kAdd: return a + b;
    case Binary::kSub: return a - b;
    case Binary::kMul: return a * b;
    case Binary::kDiv: return a / b;
    case Binary::kPow: return std::pow(a, b);
    case Binary::kMaximum: return nan ? a + b : (a > b ? a : b);
    case Binary::kMinimum: return nan ? a + b : (a < b ? a : b);
    case Binary::kCount: break;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

bool referenceCompare(Compare op, double a, double b) {
  switch (op) {
    case Compare::kEqual: return a == b;
    case Compare::kNotEqual: return a != b;
    case Compare::kLess: return a < b;
    case Compare::kLessEqual: return a <= b;
    case Compare::kGreater: return a > b;
    case Compare::kGreaterEqual: return a >= b;
    case Compare::kCount: break;
  }
  return false;
}

double referenceClip(double x, double low, double high) {
  if (std::isnan(x)) return x;
  const double raised = x < low ? low : x;
  return raised > high ? high : raised;
}

template <class T>
double referenceReduce(Reduce op, int64_t count, const T* x, int64_t step) {
  double total = op == Reduce::kSum ? 0 : (op == Reduce::kProd ? 1 : static_cast<double>(x[0]));
  for (int64_t i = 0; i < count; ++i) {
    const double v = static_cast<double>(x[i * step]);
    if (op == Reduce::kSum) total += v;
    else if (op == Reduce::kProd) total *= v;
    else total = referenceBinary(op == Reduce::kMax ? Binary::kMaximum : Binary::kMinimum, total, v);
  }
  return total;
}

template <class T>
double referenceLogSumExp(int64_t count, const T* x) {
  double largest = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < count; ++i) largest = std::fmax(largest, static_cast<double>(x[i]));
  const double shift = std::isfinite(largest) ? largest : 0;
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += std::exp(static_cast<double>(x[i]) - shift);
  return shift + std::log(sum);
}

template <class T>
std::vector<double> referenceLogSoftmax(int64_t count, const T* x) {
  std::vector<double> out(static_cast<size_t>(count));
  const double total = referenceLogSumExp(count, x);
  // With an infinite element there is no distribution: every element is a quotient of infinities.
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const bool none = std::isinf(total) && total > 0;
  for (int64_t i = 0; i < count; ++i) out[static_cast<size_t>(i)] = none ? nan : static_cast<double>(x[i]) - total;
  return out;
}

template <class T>
std::vector<double> referenceSoftmax(int64_t count, const T* x) {
  std::vector<double> out = referenceLogSoftmax(count, x);
  for (double& v : out) v = std::exp(v);
  return out;
}

// Σ g[i] · (the derivative of y[i] by x[j]), element by element. In long double, which must outdo the double kernels.
template <class T>
std::vector<double> referenceSoftmaxGradient(int64_t count, const T* g, const T* y) {
  std::vector<double> out;
  for (int64_t j = 0; j < count; ++j) {
    const long double yj = y[j];
    long double total = 0;
    for (int64_t i = 0; i < count; ++i) total += static_cast<long double>(g[i]) * y[i] * ((i == j) - yj);
    out.push_back(static_cast<double>(total));
  }
  return out;
}

template <class T>
std::vector<double> referenceLogSoftmaxGradient(int64_t count, const T* g, const T* y) {
  std::vector<double> out;
  for (int64_t j = 0; j < count; ++j) {
    const long double p = std::exp(static_cast<long double>(y[j]));
    long double total = 0;
    for (int64_t i = 0; i < count; ++i) total += g[i] * ((i == j) - p);
    out.push_back(static_cast<double>(total));
  }
  return out;
}

template <class T>
std::vector<double> referenceCrossEntropyGradient(int64_t count, const T* x, int64_t label, double g) {
  std::vector<double> out = referenceSoftmax(count, x);
  for (int64_t i = 0; i < count; ++i) out[static_cast<size_t>(i)] = g * (out[static_cast<size_t>(i)] - (i == label));
  return out;
}

void referenceUpdate(Rule rule, double* weight, double gradient, double* const (&kept)[kMaxKept], const UpdateArgs& args) {
  double& w = *weight;
  double g = args.gradScale * gradient;
  g = g > args.clip ? args.clip : (g < -args.clip ? -args.clip : g);
  if (args.decoupled && rule != Rule::kLamb) w -= args.rate * args.weightDecay * w;
  else if (!args.decoupled) g += args.weightDecay * w;
  const auto average = [](double* x, double beta, double y) { return *x = beta * *x + (1 - beta) * y; };
  switch (rule) {
    case Rule::kSgd:
      if (kept[0] != nullptr) {
        *kept[0] = args.firstStep ? g : args.momentum * *kept[0] + g;
        g = args.nesterov ? g + args.momentum * *kept[0] : *kept[0];
      }
      w -= args.rate * g;
      return;
    case Rule::kAdam:
    case Rule::kLamb: {
      const double m = average(kept[0], args.beta1, g) / args.correction1;
      const double v = average(kept[1], args.beta2, g * g) / args.correction2;
      const double direction = m / (std::sqrt(v) + args.epsilon);
      if (rule == Rule::kAdam) w -= args.rate * direction;
      else *kept[2] = direction + args.weightDecay * w;
      return;
    }
    case Rule::kAdamax: {
      const double m = average(kept[0], args.beta1, g) / args.correction1;
      *kept[1] = std::fmax(args.beta2 * *kept[1], std::fabs(g) + args.epsilon);
      w -= args.rate * m / *kept[1];
      return;
    }
    case Rule::kRmsProp: {
      double v = average(kept[0], args.beta2, g * g);
      if (kept[2] != nullptr) v -= std::pow(average(kept[2], args.beta2, g), 2);
      double d = g / (std::sqrt(v) + args.epsilon);
      if (kept[1] != nullptr) d = *kept[1] = args.momentum * *kept[1] + d;
      w -= args.rate * d;
      return;
    }
    case Rule::kAdagrad:
      *kept[0] += g * g;
      w -= args.rate * g / (std::sqrt(*kept[0]) + args.epsilon);
      return;
    case Rule::kAdadelta: {
      const double v = average(kept[0], args.beta2, g * g);
      const double d = std::sqrt(*kept[1] + args.epsilon) / std::sqrt(v + args.epsilon) * g;
      average(kept[1], args.beta2, d * d);
      w -= args.rate * d;
      return;
    }
    case Rule::kCount: return;
  }
}

#define LATENT_FOR_TYPE(T)                                                                                          \
  template Product referenceGemm<T>(int64_t, int64_t, int64_t, Matrix<const T>, Matrix<const T>, const T*, int64_t, \
                                    const T*, Unary);                                                               \
  template double referenceReduce<T>(Reduce, int64_t, const T*, int64_t);                                           \
  template double referenceLogSumExp<T>(int64_t, const T*);                                                         \
  template std::vector<double> referenceSoftmax<T>(int64_t, const T*);                                              \
  template std::vector<double> referenceLogSoftmax<T>(int64_t, const T*);                                           \
  template std::vector<double> referenceSoftmaxGradient<T>(int64_t, const T*, const T*);                            \
  template std::vector<double> referenceLogSoftmaxGradient<T>(int64_t, const T*, const T*);                         \
  template std::vector<double> referenceCrossEntropyGradient<T>(int64_t, const T*, int64_t, double);
LATENT_FOR_TYPE(float)
LATENT_FOR_TYPE(double)
#undef LATENT_FOR_TYPE

}  // namespace test
}  // namespace latent
