// Optimizer steps over many tensors at once.
#pragma once

#include "../kernels/kernels.h"
#include "status.h"
#include "storage.h"

namespace latent {

enum class Rule : int { kSgd = 0, kAdam = 1, kCount };

struct Update {
  View weight, gradient, first, second;  // `first` and `second` are the rule's state; unused ones have no data
  UpdateArgs args;
};

// Checks one update: all of one float type, one shape, contiguous.
Status checkUpdate(Rule rule, const Update& update);

// Applies checked updates; they must not share weights or state.
void applyUpdates(Rule rule, const Update* updates, int64_t count);

}  // namespace latent
