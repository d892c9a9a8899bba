// Products of libraries that bring an operand into a form of their own first: MKL's packed ones, oneDNN's primitives.
#pragma once

#include <memory>

#include "product.h"

namespace latent_bench {

// Of the library that dlopen gave. `packed`: the second operand is brought into that form once, else in each run. Null where the
// library has no such product.
template <class T>
std::unique_ptr<Job> prepackedProduct(void* library, const ProductShape& shape, const T* a, const T* b, bool packed);

}  // namespace latent_bench
