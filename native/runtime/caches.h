// The data caches that one core has to itself or shares, in bytes.
#pragma once

#include <cstdint>

namespace latent {

struct Caches {
  int64_t l1, l2, l3;
};

// What the system tells (sysfs, then the C library); where neither answers: 32 KB, 256 KB and none.
const Caches& caches();

}  // namespace latent
