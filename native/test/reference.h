// The right answers of the kernels, in plain loops over float64: the readable meaning of each entry of the table.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "runtime/gemm/gemm.h"

namespace latent {
namespace test {

struct Product {
  std::vector<double> value;      // m×n, dense
  std::vector<double> magnitude;  // Σ|a||b| + |start| + |bias|: what rounding errors are measured against
};

// start + A·B + bias, then the function (kCount: none). `start` (m×n, rows startRow apart) and `bias` may be null.
template <class T>
Product referenceGemm(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, const T* start,
                      int64_t startRow, const T* bias, Unary function);

double referenceUnary(Unary op, double x);
double referenceBinary(Binary op, double a, double b);
bool referenceCompare(Compare op, double a, double b);
double referenceClip(double x, double low, double high);

// Over x[0], x[step], ...; a NaN anywhere is the answer.
template <class T>
double referenceReduce(Reduce op, int64_t count, const T* x, int64_t step);

template <class T>
double referenceLogSumExp(int64_t count, const T* x);
template <class T>
std::vector<double> referenceSoftmax(int64_t count, const T* x);
template <class T>
std::vector<double> referenceLogSoftmax(int64_t count, const T* x);
template <class T>
std::vector<double> referenceSoftmaxGradient(int64_t count, const T* g, const T* y);
template <class T>
std::vector<double> referenceLogSoftmaxGradient(int64_t count, const T* g, const T* y);
template <class T>
std::vector<double> referenceCrossEntropyGradient(int64_t count, const T* x, int64_t label, double g);

// One element's step. `momentum` may be null.
// One element's step; kept[j] is null where the rule does without.
void referenceUpdate(Rule rule, double* weight, double gradient, double* const (&kept)[kMaxKept], const UpdateArgs& args);

}  // namespace test
}  // namespace latent
