// Matrices turned: squares of one vector's width, in registers.
#include "gemm_tile.h"
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

template <class T>
void turn(int64_t rows, int64_t columns, const T* x, int64_t xRow, T* out, int64_t outRow) {
  using V = Vec<T>;
  constexpr int L = V::kLanes;
  for (int64_t j = 0; j < columns; j += L) {
    const int wide = presentOf<V>(columns - j);
    for (int64_t i = 0; i < rows; i += L) {
      const int high = presentOf<V>(rows - i);
      V square[L];
      for (int k = 0; k < L; ++k) square[k] = k < high ? loadUpTo<V>(x + (i + k) * xRow + j, wide) : V::zero();
      V::transpose(square);
      for (int k = 0; k < wide; ++k) storeUpTo(square[k], out + (j + k) * outRow + i, high);
    }
  }
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addTurn(KernelTable& table) {
  table.f32.turn = turn<float>;
  table.f64.turn = turn<double>;
}
