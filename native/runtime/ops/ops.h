// The tensor operations, in families: each file exports its list, and the binding numbers them all.
#pragma once

#include "../call.h"

namespace latent {

extern const OpList kElementwiseOps;
extern const OpList kSelectOps;
extern const OpList kReduceOps;
extern const OpList kSquaresOps;
extern const OpList kMatmulOps;
extern const OpList kAttentionOps;
extern const OpList kDenseOps;
extern const OpList kViewOps;
extern const OpList kCopyOps;
extern const OpList kIndexOps;
extern const OpList kRowNormOps;
extern const OpList kGroupNormOps;
extern const OpList kBatchNormOps;
extern const OpList kConvOps;
extern const OpList kBlockedOps;
extern const OpList kBlockedConvOps;
extern const OpList kPoolOps;
extern const OpList kScanOps;
extern const OpList kSortOps;
extern const OpList kSoftmaxOps;
extern const OpList kCrossEntropyOps;
extern const OpList kLabelOps;
extern const OpList kRandomOps;
extern const OpList kRecurrentOps;

}  // namespace latent
