// Matrix products of another library, which is loaded by name.
#pragma once

#include <memory>
#include <string>

#include "product.h"

namespace latent_bench {

// The one library that this process compares with. Throws std::runtime_error when it can't be loaded or lacks a product.
class Blas {
 public:
  explicit Blas(const std::string& path);
  // As it names itself.
  std::string version() const;
  bool hasDouble() const { return cblasDouble_ != nullptr; }
  // `prepacks`: by what the library has beside BLAS for operands in a form of its own, if it has that. `packed`: the second
  // operand may be brought into that form once.
  template <class T>
  std::unique_ptr<Job> product(const ProductShape& shape, const T* a, const T* b, bool prepacks, bool packed) const;

 private:
  template <class F>
  F find(const char* name) const;

  void* handle_;
  // cblas_sgemm, cblas_dgemm, dnnl_sgemm: whichever there are.
  void *cblasSingle_, *cblasDouble_, *dnnlSingle_;
};

}  // namespace latent_bench
