// Element types, in the order of promotion read backwards. The numbers are part of the binding's protocol.
#pragma once

#include <cstddef>
#include <cstdint>

namespace latent {

// clang-format off
#define LATENT_DTYPES(X) \
  X(Float32, float32) X(Float64, float64) X(Int32, int32) X(Uint8, uint8) X(Bool, bool)
// clang-format on

enum class DType : int {
#define LATENT_ENTRY(Name, name) k##Name,
  LATENT_DTYPES(LATENT_ENTRY) kCount
#undef LATENT_ENTRY
};

inline size_t sizeOf(DType d) {
  switch (d) {
    case DType::kFloat32:
    case DType::kInt32: return 4;
    case DType::kFloat64: return 8;
    default: return 1;
  }
}

inline bool isFloat(DType d) { return d == DType::kFloat32 || d == DType::kFloat64; }

// Tag for dispatch on bool, which is stored as a byte of 0 or 1 and converts unlike uint8.
struct Bool {
  uint8_t v;
};

}  // namespace latent
