// The last buffers that were freed by hand: what is made in the place of one finds it in a cache.
#pragma once

#include "../runtime/caches.h"
#include "../runtime/storage.h"

namespace latent {

class Returned {
 public:
  // `bytesMade`: of all results so far, by which the time is told.
  void note(const Storage& storage, int64_t bytesMade) {
    if (storage.bytes() < kLeast) return;
    blocks_[next_] = {storage.data(), bytesMade};
    next_ = (next_ + 1) % kMost;
  }
  bool wasRecent(const Storage& storage, int64_t bytesMade) const {
    if (storage.bytes() < kLeast) return false;
    for (const Block& block : blocks_) {
      if (block.data == storage.data() && bytesMade - block.bytesMade <= recentBytes()) return true;
    }
    return false;
  }

 private:
  // Smaller results are written plainly in any case.
  static constexpr size_t kLeast = size_t(64) << 10;
  static constexpr int kMost = 16;
  struct Block {
    const void* data = nullptr;
    int64_t bytesMade = 0;  // before it was freed
  };
  Block blocks_[kMost];
  int next_ = 0;
};

}  // namespace latent
