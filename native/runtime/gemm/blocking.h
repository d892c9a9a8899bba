// The policy of products: by the sizes and the layout alone, which way a product takes, and how it is cut.
#pragma once

#include <cstdint>

#include "../../kernels/kernels.h"

namespace latent {

// Where the tiles of a product find B.
enum class Source : int {
  kKept,    // packed whole, once for each version of the weight
  kPacked,  // packed in this call
  kInPlace  // rows of B, read by a tile or two of rows
};

struct Layout {
  bool byRow;     // the elements of a row lie one after another
  bool byColumn;  // those of a column do
};

struct GemmPlan {
  bool dots;     // by dot products along the depth; what follows is for tiles
  bool turned;   // B is copied, its columns contiguous, for the dot products to read
  bool swapped;  // where B is not packed yet: computed as Cᵀ = Bᵀ·Aᵀ, so that A is packed and B read in place
  Source source;
  Reading reading;  // how the tiles read A; kTiles: it is packed
  bool rowsOutside;
  int64_t depthBlock, rowBlock;
};

GemmPlan planGemm(const GemmShape& shape, int64_t elementBytes, int64_t m, int64_t n, int64_t k, Layout a, Layout b,
                  bool kept);

}  // namespace latent
