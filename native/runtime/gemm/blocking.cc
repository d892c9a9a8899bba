#include "blocking.h"

#include <algorithm>

#include "../caches.h"
#include "../integers.h"

namespace latent {
namespace {

// Rows up to which dot products in place beat packing B for one use: a panel's packing costs as much as a few dozen
// rows of its multiply-adds. Over a short depth the sums over the lanes cost more than that.
constexpr int64_t kDotRows = 32, kDepthPerDotRow = 2;
// Rows up to which a kept weight is still read in place: there is nothing to win over its bandwidth.
constexpr int64_t kStreamRows = 3;
// Depths up to which C is what moves: it is then written row by row.
constexpr int64_t kShortDepth = 64;
constexpr int64_t kLongestBlock = 1024;

// The depth of the blocks into which k is cut.
int64_t depthBlockOf(const GemmShape& shape, int64_t elementBytes, int64_t k) {
  // Long blocks: a tile's start and end cost more than B's way from the second cache. The panels in use and those being
  // fetched take a third of it. Cut evenly, and between chains.
  const int64_t width = shape.across * shape.lanes * elementBytes;
  const int64_t longest = std::max<int64_t>(std::min(caches().l2 / (6 * width), kLongestBlock) / kChain, 1),
                chains = ceilDiv(k, kChain);
  return std::min(ceilDiv(chains, ceilDiv(chains, longest)) * kChain, ceilDiv(k, 8) * 8);
}

}  // namespace

GemmPlan planGemm(const GemmShape& shape, int64_t elementBytes, int64_t m, int64_t n, int64_t k, Layout a, Layout b,
                  bool kept) {
  GemmPlan plan{};
  plan.depthBlock = depthBlockOf(shape, elementBytes, k);
  // Tiles can read either operand in place: the smaller is packed, if it stays in the second cache meanwhile. Whether dot
  // products are taken, whose sums are others, is a matter of the sizes alone.
  const bool either = a.byRow && b.byColumn && m > shape.lanes && n > kDotRows && 2 * m <= n && k >= kShortDepth;
  plan.swapped = either && m * std::min(k, plan.depthBlock) * elementBytes <= caches().l2 / 2;
  const bool narrow = n <= shape.lanes,
             few = !either && m <= (kept ? kStreamRows : std::min(kDotRows, k / kDepthPerDotRow));
  plan.dots = a.byRow && (b.byColumn ? narrow || few : narrow && m > shape.mr);
  plan.turned = plan.dots && !b.byColumn;

  const bool low = m <= 2 * shape.mr;
  plan.source = kept ? Source::kKept : (low && b.byRow ? Source::kInPlace : Source::kPacked);
  plan.reading = a.byRow ? Reading::kRows : (a.byColumn && low ? Reading::kColumns : Reading::kTiles);
  // A block of A stays in the second cache while the panels pass by.
  const int64_t rows = caches().l2 * 3 / 10 / (plan.depthBlock * elementBytes);
  plan.rowBlock = std::max<int64_t>(rows / shape.mr, 1) * shape.mr;
  plan.rowsOutside = k <= kShortDepth && k * n * elementBytes <= caches().l2 / 2;
  return plan;
}

}  // namespace latent
