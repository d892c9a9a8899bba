// From a dtype at run time to a C++ type.
#pragma once

#include "../dtype.h"

namespace latent {

template <class T>
struct Type {
  using Of = T;
};

// Calls body(Type<T>{}) with the type of d.
template <class F>
inline void withType(DType d, F&& body) {
  switch (d) {
    case DType::kFloat32: return body(Type<float>{});
    case DType::kFloat64: return body(Type<double>{});
    case DType::kInt32: return body(Type<int32_t>{});
    case DType::kUint8: return body(Type<uint8_t>{});
    case DType::kBool: return body(Type<Bool>{});
    case DType::kCount: break;
  }
}

// Answers what body does.
template <class F>
inline auto withFloat(DType d, F&& body) {
  return d == DType::kFloat64 ? body(Type<double>{}) : body(Type<float>{});
}

}  // namespace latent
