#include "../tensor/move.h"
#include "ops.h"

namespace latent {
namespace {

Status runCopy(Call& call) { return copyConvert(call.in[0], call.out) ? Status::kOk : LATENT_BROKEN; }

Status runFill(Call& call) {
  fillWith(call.out, call.reals[0]);
  return Status::kOk;
}

// ints: axis; reals: start. Writes in[0] into out[..., start : start + in.shape[axis], ...].
Status runCopyInto(Call& call) {
  const int axis = call.ints[0];
  const View& in = call.in[0];
  View part = call.out;
  if (axis < 0 || axis >= part.rank || in.rank != part.rank) return LATENT_BROKEN;
  const double start = call.reals[0];
  if (!(start >= 0) || start + static_cast<double>(in.shape[axis]) > static_cast<double>(part.shape[axis])) {
    return LATENT_BROKEN;
  }
  part.shape[axis] = in.shape[axis];
  if (!part.sameShape(in)) return LATENT_BROKEN;
  part.data += static_cast<int64_t>(start) * part.stride[axis] * static_cast<int64_t>(sizeOf(part.dtype));
  return copyConvert(in, part) ? Status::kOk : LATENT_BROKEN;
}

// in[0] (any order) seen as the identity on the diagonal: out[i][i + k] = 1, else 0. ints: k.
Status runEye(Call& call) {
  const View& out = call.out;
  if (out.rank != 2 || !out.contiguous()) return LATENT_BROKEN;
  if (out.size() == 0) return Status::kOk;
  fillWith(out, 0);
  const int64_t k = call.ints[0];
  for (int64_t i = 0; i < out.shape[0]; ++i) {
    if (i + k < 0 || i + k >= out.shape[1]) continue;
    View one = out;
    one.rank = 0;
    one.data += (i * out.shape[1] + i + k) * static_cast<int64_t>(sizeOf(out.dtype));
    fillWith(one, 1);
  }
  return Status::kOk;
}

const OpEntry kEntries[] = {
    {"copy", OpKind::kMap, 1, 1, runCopy},
    {"fill", OpKind::kFill, 0, 0, runFill},
    {"copyInto", OpKind::kPart, 1, 1, runCopyInto},
    {"eye", OpKind::kFill, 0, 0, runEye},
};

}  // namespace

const OpList kCopyOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
