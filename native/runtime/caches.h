// The data caches that one core has to itself or shares, in bytes.
#pragma once

#include <cstdint>

namespace latent {

struct Caches {
  int64_t l1, l2, l3;
};

// The sizes in LATENT_CACHES ("48K,2M,260M", the third cache left out where there is none), else those of the system (sysfs,
// then the C library); where neither answers: 32 KB, 256 KB and none. Sizes decide how work is cut, and show in no result.
const Caches& caches();

// The distance, in bytes written since, within which a buffer is most likely still in a cache: half of the third cache, since
// inputs take room as well, and 16 MB at most, since many cores may share it. Zero where there is no third cache.
int64_t recentBytes();

// For tests, while nothing is computed: what caches() answers from here on.
void setCaches(const Caches& sizes);

}  // namespace latent
