#pragma once

#include <cstring>

#include "../../kernels/kernels.h"
#include "../memory.h"

namespace latent {

// A value for each channel, in blocks: zeros for those that fill up the last one.
class PerChannel {
 public:
  PerChannel(const float* values, int64_t channels, int64_t blocks)
      : room_(static_cast<size_t>(values == nullptr ? 0 : blocks * kBlock) * sizeof(float)), has_(values != nullptr) {
    if (!has_ || room_.failed()) return;
    std::memcpy(room_.as<float>(), values, static_cast<size_t>(channels) * sizeof(float));
    std::memset(room_.as<float>() + channels, 0, static_cast<size_t>(blocks * kBlock - channels) * sizeof(float));
  }
  bool failed() const { return room_.failed(); }
  const float* of(int64_t block) const { return has_ ? room_.as<float>() + block * kBlock : nullptr; }

 private:
  const Scratch room_;
  const bool has_;
};

}  // namespace latent
