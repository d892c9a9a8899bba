// Comparing a kernel's answer with a reference in float64.
#pragma once

#include <cmath>
#include <limits>

namespace latent {
namespace test {

// Whether `got` is `want` up to `eps` units of T's epsilon, relative to want, and `absolute` besides. NaN matches NaN,
// infinity its own sign; what T cannot hold may be infinity or the largest number, and a result below T's normal
// numbers may lose the digits that they lose.
template <class T>
inline bool close(T got, double want, double eps, double absolute = 0) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(want)) return std::isnan(got);
  const T rounded = static_cast<T>(want);
  if (got == rounded) return true;
  if (std::isinf(rounded) || std::isinf(got)) {
    // At the very edge of the range a last bit decides between the two.
    const double edge = static_cast<double>(Limits::max()) * (1 - eps * static_cast<double>(Limits::epsilon()));
    return eps > 0 && std::fabs(want) >= edge && std::fabs(static_cast<double>(got)) >= edge &&
           std::signbit(got) == std::signbit(want);
  }
  const double error = std::fabs(static_cast<double>(got) - want);
  const double grain = eps > 0 ? static_cast<double>(Limits::denorm_min()) * 2 : 0;
  return error <= std::fabs(want) * eps * static_cast<double>(Limits::epsilon()) + grain + absolute;
}

}  // namespace test
}  // namespace latent
