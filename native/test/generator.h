// Pseudo-random numbers for tests (SplitMix64): the same on every platform, unlike the standard distributions.
#pragma once

#include <cstdint>

namespace latent {
namespace test {

class Generator {
 public:
  explicit Generator(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(next() % static_cast<uint64_t>(n)); }
  double uniform(double low, double high) { return low + (high - low) * (static_cast<double>(next() >> 11) * 0x1p-53); }
  // Small integers, whose sums of products are exact in float.
  double integer() { return static_cast<double>(below(9) - 4); }

 private:
  uint64_t state_;
};

}  // namespace test
}  // namespace latent
