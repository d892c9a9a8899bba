// Copies between windows, converting on the way.
#pragma once

#include <limits>

#include "../storage.h"

namespace latent {

// A float as an integer type: truncated, held to the type's range, NaN as 0.
template <class To, class From>
inline To saturate(From x) {
  constexpr From low = static_cast<From>(std::numeric_limits<To>::min());
  constexpr From high = static_cast<From>(std::numeric_limits<To>::max());
  if (!(x > low)) return x == x ? std::numeric_limits<To>::min() : To(0);
  return x >= high ? std::numeric_limits<To>::max() : static_cast<To>(x);
}

// out[...] = convert(in[...]), `in` broadcast to `out`. False when the shapes do not allow it.
// Floats go to integers by truncation, held to the type's range, NaN to 0; integers wrap; anything but 0 is true.
bool copyConvert(const View& in, const View& out);

void fillWith(const View& out, double value);

// The input itself where it is contiguous, else a contiguous copy that lives as long as this.
class Contiguous {
 public:
  explicit Contiguous(const View& view);
  bool failed() const { return copied_ && scratch_.failed(); }
  template <class T>
  const T* as() const {
    return view_.as<T>();
  }

 private:
  View view_;
  bool copied_;
  Scratch scratch_;
};

}  // namespace latent
