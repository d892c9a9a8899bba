#include "session.h"

#include <cmath>

#include "../runtime/tensor/move.h"
#include "../runtime/ops/ops.h"
#include "predictions.h"

namespace latent {
namespace {

const OpList* const kLists[] = {&kElementwiseOps, &kSelectOps,    &kReduceOps,       &kSquaresOps,    &kMatmulOps,
                                &kDenseOps,       &kViewOps,      &kCopyOps,         &kIndexOps,      &kRowNormOps,
                                &kGroupNormOps,   &kBatchNormOps, &kPoolOps,         &kConvOps,       &kScanOps,
                                &kSortOps,        &kSoftmaxOps,   &kCrossEntropyOps, &kRandomOps,     &kRecurrentOps,
                                &kAttentionOps,   &kLabelOps,     &kBlockedOps,      &kBlockedConvOps};

bool validDType(int32_t d) { return d >= 0 && d < static_cast<int32_t>(DType::kCount); }

bool sameWindow(const View& a, const View& b) {
  if (a.data != b.data || a.dtype != b.dtype || !a.sameShape(b)) return false;
  for (int d = 0; d < a.rank; ++d) {
    if (a.shape[d] > 1 && a.stride[d] != b.stride[d]) return false;
  }
  return true;
}

}  // namespace

const std::vector<const OpEntry*>& operations() {
  static const std::vector<const OpEntry*> all = [] {
    std::vector<const OpEntry*> entries;
    for (const OpList* list : kLists) {
      for (int i = 0; i < list->count; ++i) entries.push_back(&list->entries[i]);
    }
    return entries;
  }();
  return all;
}

Session::Session(Environment* environment, void* registerData)
    : environment_(environment), ints_(static_cast<int32_t*>(registerData)),
      reals_(reinterpret_cast<double*>(static_cast<char*>(registerData) + kIntPlaces * 4)) {}

Session::~Session() = default;

Status Session::readInputs(Call& call) {
  for (int i = 0; i < call.inputs; ++i) {
    const int32_t id = ints_[kInputIds + i];
    if (id != 0) {
      const View* view = environment_->find(id);
      if (view == nullptr) return Status::kBadHandle;
      call.in[i] = *view;
      continue;
    }
    const int32_t dtype = ints_[kScalarDType];
    if (!validDType(dtype)) return LATENT_BROKEN;
    View& number = call.in[i];
    number.dtype = static_cast<DType>(dtype);
    number.data = reinterpret_cast<char*>(&scalars_[i]);
    fillWith(number, reals_[kScalars + i]);
  }
  return Status::kOk;
}

Status Session::readOutput(int32_t rank, const double* shape, View& out) const {
  const int32_t dtype = ints_[kOutputDType];
  if (rank < 0 || rank > kMaxRank || !validDType(dtype)) return LATENT_BROKEN;
  out.rank = rank;
  out.dtype = static_cast<DType>(dtype);
  // Of the sizes that are not 0 alone: strides are their products.
  double size = 1;
  for (int d = 0; d < rank; ++d) {
    const double extent = shape[d];
    if (!(extent >= 0) || extent > 9007199254740992.0 || extent != std::floor(extent)) return LATENT_BROKEN;
    out.shape[d] = static_cast<int64_t>(extent);
    if (extent > 0) size *= extent;
  }
  if (size > 9007199254740992.0) return LATENT_BROKEN;
  out.setContiguousStrides();
  return Status::kOk;
}

// Looking for dead handles may free any slot but those of live handles, and an input's handle may be dead already, as
// its number is all that the caller still needed: the inputs' storages are held from then on.
void Session::hold(const Call& call, Pin<kMaxInputs>& inputs) {
  if (!inputs.empty()) return;
  for (int i = 0; i < call.inputs; ++i) {
    if (call.in[i].storage != nullptr) inputs.hold(call.in[i].storage);
  }
}

void Session::makeRoom(const Call& call, Pin<kMaxInputs>& inputs) {
  hold(call, inputs);
  environment_->makeRoom();
}

Status Session::allocate(const Call& call, Pin<kMaxInputs>& inputs, View& out) {
  const size_t bytes = static_cast<size_t>(out.size()) * sizeOf(out.dtype);
  if (environment_->shouldReuse(bytes)) {
    hold(call, inputs);
    environment_->reuse();
  }
  out.storage = environment_->allocate(bytes);
  if (out.storage == nullptr) {
    makeRoom(call, inputs);
    out.storage = environment_->allocate(bytes);
  }
  if (out.storage == nullptr) return Status::kOutOfMemory;
  out.data = out.storage->data();
  return Status::kOk;
}

// Into new outputs, which may be written twice: an operation that lacks room of its own gets another try.
Status Session::runOnNew(const OpEntry& op, Call& call, Pin<kMaxInputs>& inputs) {
  const Status status = op.run(call);
  if (status != Status::kOutOfMemory) return status;
  makeRoom(call, inputs);
  return op.run(call);
}

int32_t Session::slotFor(const View& view) noexcept {
  try {
    return environment_->createSlot(view);
  } catch (...) {
    return 0;
  }
}

Status Session::runSeveral(const OpEntry& op, Call& call) {
  const int32_t more = ints_[kMoreOutputs];
  if (op.kind != OpKind::kFill || more < 0 || more >= op.maxOutputs) return LATENT_BROKEN;
  call.outputs = 1 + more;
  Pin<kMaxInputs> inputs;
  Pin<kMaxOutputs> made;
  for (int i = 0; i < call.outputs; ++i) {
    View& out = call.output(i);
    Status status = i == 0 ? readOutput(ints_[kOutputRank], reals_ + kOutputShape, out)
                           : readOutput(ints_[kMoreRanks + i - 1], reals_ + kMoreShapes + (i - 1) * kMaxRank, out);
    if (status == Status::kOk) status = allocate(call, inputs, out);
    if (status != Status::kOk) return status;
    made.take(out.storage);
  }
  const Status status = runOnNew(op, call, inputs);
  if (status != Status::kOk) return status;
  int32_t ids[kMaxOutputs];
  for (int i = 0; i < call.outputs; ++i) {
    ids[i] = slotFor(call.output(i));
    if (ids[i] != 0) {
      call.output(i).storage->retain();  // the slot's own count, beside the pin's
      continue;
    }
    while (i-- > 0) environment_->freeUnmanaged(ids[i]);
    return Status::kOutOfMemory;
  }
  ints_[kOutputId] = ids[0];
  for (int i = 1; i < call.outputs; ++i) ints_[kMoreIds + i - 1] = ids[i];
  return Status::kOk;
}

Status Session::runInto(const OpEntry& op, Call& call) {
  const View* target = environment_->find(ints_[kOutputId]);
  if (target == nullptr) return Status::kBadHandle;
  if (op.kind == OpKind::kView) return LATENT_BROKEN;
  call.out = *target;
  // An input that overlaps the target would be read while it is written; element by element it may be the target itself.
  for (int i = 0; i < call.inputs; ++i) {
    if (call.in[i].storage != call.out.storage) continue;
    if (op.kind != OpKind::kMap || !sameWindow(call.in[i], call.out)) return LATENT_BROKEN;
  }
  call.out.storage->touch();
  const Status written = op.run(call);
  // Values that the op packed of its own target, while it read it as an input, are older than those that it wrote.
  call.out.storage->touch();
  return written;
}

Status Session::runNew(const OpEntry& op, Call& call, bool manages, napi_value handle) {
  Status status = readOutput(ints_[kOutputRank], reals_ + kOutputShape, call.out);
  if (status != Status::kOk) return status;
  if (op.kind == OpKind::kPart) return LATENT_BROKEN;
  if (op.kind != OpKind::kView) {
    Pin<kMaxInputs> inputs;
    status = allocate(call, inputs, call.out);
    if (status != Status::kOk) return status;
    status = runOnNew(op, call, inputs);
    if (status != Status::kOk) {
      call.out.storage->release();
      return status;
    }
  } else {
    call.out.dtype = call.in[0].dtype;
    status = op.run(call);
    if (status != Status::kOk) return status;
    if (call.out.storage == nullptr) return LATENT_BROKEN;  // a window onto a number
    call.out.storage->retain();
  }

  const int32_t id = slotFor(call.out);
  if (id == 0) {
    call.out.storage->release();
    return Status::kOutOfMemory;
  }
  status = manages ? environment_->manage(handle, id) : Status::kOk;
  if (status != Status::kOk) {
    environment_->freeUnmanaged(id);
    return status;
  }
  ints_[kOutputId] = id;
  return Status::kOk;
}

Status Session::perform(napi_value handle) {
  const std::vector<const OpEntry*>& all = operations();
  const int32_t code = ints_[kOpcode];
  if (code < 0 || static_cast<size_t>(code) >= all.size()) return LATENT_BROKEN;
  const OpEntry& op = *all[static_cast<size_t>(code)];
  Call call;
  call.inputs = ints_[kInputCount];
  if (call.inputs < op.minInputs || call.inputs > op.maxInputs) return LATENT_BROKEN;
  call.ints = ints_ + kInts;
  call.reals = reals_ + kReals;
  const OutputKind kind = static_cast<OutputKind>(ints_[kOutputKind]);
  if (kind == OutputKind::kExisting) {
    const Status owned = environment_->own(ints_[kOutputId]);
    if (owned != Status::kOk) return owned;
  }
  const Status status = readInputs(call);
  if (status != Status::kOk) return status;
  switch (kind) {
    case OutputKind::kManaged: return runNew(op, call, true, handle);
    case OutputKind::kUnmanaged: return runNew(op, call, false, handle);
    case OutputKind::kExisting: return runInto(op, call);
    case OutputKind::kSeveral: return runSeveral(op, call);
  }
  return LATENT_BROKEN;
}

Status Session::run(napi_value handle) {
  const Status status = perform(handle);
  environment_->tick();
  return status;
}

}  // namespace latent
