// Matrix products of the library, as jobs.
#pragma once

#include <memory>

#include "job.h"

namespace latent_bench {

// `batch` products C[m×n] = op(A)·op(B), row-major and one after another. A lies as [m×k], transposed as [k×m]; B as
// [k×n], transposed as [n×k].
struct ProductShape {
  int64_t m, n, k, batch;
  bool transposeA, transposeB;
  int64_t aSize() const { return batch * m * k; }
  int64_t bSize() const { return batch * k * n; }
  int64_t cSize() const { return batch * m * n; }
};

// The library's product. `packed`: B is a weight whose packed form is kept, so only the first run packs it.
template <class T>
std::unique_ptr<Job> libraryProduct(const ProductShape& shape, const T* a, const T* b, bool packed);

}  // namespace latent_bench
