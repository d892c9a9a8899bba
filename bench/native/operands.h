// A product's operands, where every library finds them alike, and what CBLAS calls how they lie.
#pragma once

#include <cstring>

#include "product.h"

namespace latent_bench {

constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;

template <class T>
class ProductJob : public Job {
 public:
  ProductJob(const ProductShape& shape, const T* a, const T* b)
      : shape_(shape), a_(shape.aSize() * sizeof(T)), b_(shape.bSize() * sizeof(T)), c_(shape.cSize() * sizeof(T)) {
    std::memcpy(a_.as<T>(), a, a_.bytes());
    std::memcpy(b_.as<T>(), b, b_.bytes());
  }
  const void* result() const override { return c_.as<T>(); }
  size_t resultBytes() const override { return c_.bytes(); }

 protected:
  // Of one product of the batch.
  T* a(int64_t i) const { return a_.as<T>() + i * shape_.m * shape_.k; }
  T* b(int64_t i) const { return b_.as<T>() + i * shape_.k * shape_.n; }
  T* c(int64_t i) const { return c_.as<T>() + i * shape_.m * shape_.n; }
  int64_t lda() const { return shape_.transposeA ? shape_.m : shape_.k; }
  int64_t ldb() const { return shape_.transposeB ? shape_.k : shape_.n; }
  // As CBLAS takes them.
  int m() const { return static_cast<int>(shape_.m); }
  int n() const { return static_cast<int>(shape_.n); }
  int k() const { return static_cast<int>(shape_.k); }
  int wayOfA() const { return shape_.transposeA ? kTransposed : kPlain; }
  int wayOfB() const { return shape_.transposeB ? kTransposed : kPlain; }

  const ProductShape shape_;

 private:
  Buffer a_, b_, c_;
};

}  // namespace latent_bench
