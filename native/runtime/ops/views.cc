// Windows onto the same storage. The caller asks for the output's shape; whether such a window exists is checked here, so
// that none can leave its storage.
#include "ops.h"
#include "window.h"

namespace latent {
namespace {

// Gives `to`, whose shape is set, the strides of `from` where both have the same sizes but for ones.
bool carryStrides(const View& from, View& to) {
  int at = 0;
  for (int d = 0; d < to.rank; ++d) {
    to.stride[d] = 0;
    if (to.shape[d] == 1) continue;
    while (at < from.rank && from.shape[at] == 1) ++at;
    if (at == from.rank || from.shape[at] != to.shape[d]) return false;
    to.stride[d] = from.stride[at++];
  }
  return true;
}

// Same elements in the same order under another shape: of a contiguous window any, of others one that differs by sizes
// of 1 alone. Anything else has to be copied first.
Status runReshape(Call& call) {
  const View& in = call.in[0];
  View& out = call.out;
  if (in.size() != out.size()) return LATENT_BROKEN;
  View v = in;
  v.rank = out.rank;
  for (int d = 0; d < out.rank; ++d) v.shape[d] = out.shape[d];
  if (in.contiguous()) v.setContiguousStrides();
  else if (!carryStrides(in, v)) return LATENT_BROKEN;
  out = v;
  return Status::kOk;
}

// ints: the permutation.
Status runPermute(Call& call) {
  const View& in = call.in[0];
  View v = in;
  uint32_t seen = 0;
  if (call.out.rank != in.rank) return LATENT_BROKEN;
  for (int d = 0; d < in.rank; ++d) {
    const int32_t from = call.ints[d];
    if (from < 0 || from >= in.rank || (seen >> from & 1) != 0) return LATENT_BROKEN;
    seen |= 1u << from;
    v.shape[d] = in.shape[from];
    v.stride[d] = in.stride[from];
  }
  if (!call.out.sameShape(v)) return LATENT_BROKEN;
  call.out = v;
  return Status::kOk;
}

// reals: for each dimension a start and a step; the sizes are the output's.
Status runSlice(Call& call) {
  View v = call.in[0];
  if (call.out.rank != v.rank || !narrow(v, call.out.shape, call.reals)) return LATENT_BROKEN;
  call.out = v;
  return Status::kOk;
}

// Sizes of 1 repeated, and dimensions added in front.
Status runBroadcast(Call& call) {
  const View& in = call.in[0];
  View v = call.out;
  if (in.rank > v.rank) return LATENT_BROKEN;
  const int added = v.rank - in.rank;
  for (int d = 0; d < v.rank; ++d) {
    if (d < added) {
      v.stride[d] = 0;
    } else if (in.shape[d - added] == v.shape[d]) {
      v.stride[d] = in.stride[d - added];
    } else if (in.shape[d - added] == 1) {
      v.stride[d] = 0;
    } else {
      return LATENT_BROKEN;
    }
  }
  v.storage = in.storage;
  v.data = in.data;
  v.dtype = in.dtype;
  call.out = v;
  return Status::kOk;
}

const OpEntry kEntries[] = {
    {"reshapeView", OpKind::kView, 1, 1, runReshape},
    {"permute", OpKind::kView, 1, 1, runPermute},
    {"slice", OpKind::kView, 1, 1, runSlice},
    {"broadcastTo", OpKind::kView, 1, 1, runBroadcast},
};

}  // namespace

const OpList kViewOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
