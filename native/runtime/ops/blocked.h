// Tensors that hold a value whose channels lie in blocks: [images, blocks, rows + 2·halo, columns + 2·halo, kBlock] with zeros
// around each plane.
#pragma once

#include "../call.h"
#include "../conv/blocked.h"

namespace latent {

inline bool hasRank(const View& v, int rank) { return v.dtype == DType::kFloat32 && v.rank == rank; }
inline bool isFloat32(const View& v, int rank) { return hasRank(v, rank) && v.contiguous(); }

// A value with such a halo; false where the window is none.
inline bool blockedOf(const View& v, int64_t halo, Blocked& out) {
  if (!isFloat32(v, 5) || v.shape[4] != kBlock || halo < 0 || v.shape[2] < 2 * halo || v.shape[3] < 2 * halo) return false;
  out = {v.as<float>(), v.shape[0], v.shape[1], v.shape[2] - 2 * halo, v.shape[3] - 2 * halo, halo};
  return true;
}

inline bool holds(const Blocked& v, int64_t channels) { return channels > 0 && v.blocks == ceilDiv(channels, kBlock); }

}  // namespace latent
