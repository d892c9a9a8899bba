// Numbers of other types as floats. The compiler's vectoriser needs no help with these loops.
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

template <class To, class From>
void convert(int64_t count, const From* x, To* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<To>(x[i]);
}

template <class T, class Other>
void fill(FloatKernels<T>& k) {
  k.fromOther = convert<T, Other>;
  k.fromInt32 = convert<T, int32_t>;
  k.fromUint8 = convert<T, uint8_t>;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addConvert(KernelTable& table) {
  fill<float, double>(table.f32);
  fill<double, float>(table.f64);
}
