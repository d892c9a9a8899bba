// Where buffers lie in one block of memory, so that those which are never needed together share places.
#pragma once

#include <cstdint>
#include <vector>

namespace latent {

struct Buffer {
  int64_t bytes = 0;
  int32_t first = 0, last = 0;  // the steps from and to which it is needed, both included
  int64_t offset = 0;           // out
  // A buffer of one branch of a fork may be needed together with all those of another branch.
  int32_t fork = -1, branch = -1;
  int32_t forkFirst = 0, forkLast = 0;  // the fork's steps
};

// Gives every buffer its offset, a multiple of 64, and answers how long the block is. One buffer after the other chooses
// among the places that are free while it is needed; of some orders (the largest first: Pisarchyk and Lee 2020) and
// choices the one is taken that needs least.
int64_t layOut(std::vector<Buffer>& buffers);

// The most bytes that are needed at one step, or by the branches of a fork together: no layout can be shorter.
int64_t leastBytes(const std::vector<Buffer>& buffers);

}  // namespace latent
