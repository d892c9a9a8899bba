// Matrix products on the kernels: which way is taken, cutting, packing, threads.
#pragma once

#include "../cpu.h"
#include "../status.h"
#include "../storage.h"

namespace latent {

// A matrix in place: element (i, j) at data[i·row + j·column].
template <class T>
struct Matrix {
  T* data;
  int64_t row, column;
};

// The first values of a product's sums, and the operations on finished elements.
template <class T>
struct Epilogue {
  const T* bias = nullptr;   // one value per column
  const T* start = nullptr;  // instead of the bias: a matrix laid out as C, which may be C itself
  Unary function = kNoUnary;
};

// The activation that products apply themselves, or kNone.
Activation activationOf(Unary function);

// C[m×n] = A[m×k]·B[k×n], then the epilogue. C's rows are contiguous. `weight` is B's storage when it keeps packed
// forms, else null; `offset` tells apart several matrices in it. The bits of the result depend on the sizes, the
// strides, and whether the weight keeps packed forms; not on threads, caches or memory.
template <class T>
Status gemm(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, T* c, int64_t cRow,
            const Epilogue<T>& epilogue, Storage* weight, int64_t offset);

}  // namespace latent
