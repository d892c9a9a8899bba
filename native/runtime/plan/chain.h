// Steps that run together, block by block, so that what one makes is still in the caches when the next one reads it. A block is
// some elements of tensors that are all computed element by element, or some images of a batch.
#pragma once

#include <cstdint>
#include <vector>

#include "../storage.h"

namespace latent {

struct Chain {
  int32_t first = 0, end = 0;    // the steps [first, end)
  std::vector<int32_t> locals;   // values that no other step reads: they have a block of room, and no buffer
  int64_t images = 0;            // of a block; 0 where it is of elements
  std::vector<int64_t> offsets;  // where a block of images of each local lies in the room
  int64_t roomBytes = 0;         // for those
};

// Whether a value is so many images, of which a block of a chain has some.
bool isOfImages(const View& shape, int64_t images);

}  // namespace latent
