// A copy past the caches, where the instruction set has stores for that.
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

constexpr int64_t kLine = 64;

// Whole lines are streamed, for a line in parts costs a read of it; what lies before and after is stored as usual.
template <class T>
void stream(int64_t count, const T* x, T* out) {
  using V = Vec<T>;
  constexpr int64_t kVectors = kLine / static_cast<int64_t>(V::kLanes * sizeof(T)), kElements = kVectors * V::kLanes;
  const int64_t offset = static_cast<int64_t>(reinterpret_cast<uintptr_t>(out) % kLine / sizeof(T));
  const int64_t before = offset == 0 ? 0 : kLine / static_cast<int64_t>(sizeof(T)) - offset;
  const int64_t head = before < count ? before : count;
  const auto plain = [&](int64_t begin, int64_t end) {
    forEachVector<V>(end - begin, [&](int64_t i, int n) { storeUpTo(loadUpTo<V>(x + begin + i, n), out + begin + i, n); });
  };
  plain(0, head);
  int64_t i = head;
  for (; i + kElements <= count; i += kElements) {
#pragma GCC unroll 16
    for (int j = 0; j < kVectors; ++j) V::load(x + i + j * V::kLanes).stream(out + i + j * V::kLanes);
  }
  plain(i, count);
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addStream(KernelTable& table) {
  table.f32.stream = stream<float>;
  table.f64.stream = stream<double>;
  table.endStreams = [] { Vec<float>::endStreams(); };
}
