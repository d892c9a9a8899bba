// Optimizer steps over many tensors at once.
#pragma once

#include "../kernels/kernels.h"
#include "status.h"
#include "storage.h"

namespace latent {

struct Update {
  View weight, gradient, kept[kMaxKept];  // what the rule does without has no data
  View marks;                             // where it has data: the rows that are updated, as marks.h has them
  UpdateArgs args;
};

// Checks one update: all of one float type, one shape, contiguous; marks are none of LAMB's, whose steps are as long as
// whole weights say.
Status checkUpdate(Rule rule, const Update& update);

// Applies checked updates, which must not share weights or what is kept. Where the gradients, scaled and taken as one
// vector, are longer than `clipNorm`, they are scaled down to it; `norm` is their length before that, and is worked out
// only where clipNorm is finite. Out of memory nothing is changed.
Status applyUpdates(Rule rule, Update* updates, int64_t count, double clipNorm, double& norm);

}  // namespace latent
