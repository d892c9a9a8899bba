#include "plans.h"

namespace latent {
namespace {

void hold(const std::vector<View>& views) {
  for (const View& v : views) v.storage->retain();
}

void letGo(const std::vector<View>& views) {
  for (const View& v : views) v.storage->release();
}

bool find(Environment& environment, const int32_t* ids, int32_t count, std::vector<View>& views) {
  views.resize(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) {
    const View* view = environment.find(ids[i]);
    if (view == nullptr) return false;
    views[static_cast<size_t>(i)] = *view;
  }
  return true;
}

// Takes over the view's count; 0 when there is no memory for the table.
int32_t slotFor(Environment& environment, const View& view) noexcept {
  try {
    const int32_t id = environment.createSlot(view);
    if (id != 0) environment.noteMade(view.storage->bytes());
    return id;
  } catch (...) {
    return 0;
  }
}

bool manages(Environment& environment, napi_value handle, int32_t id) noexcept {
  try {
    return environment.manage(handle, id);
  } catch (...) {
    return false;
  }
}

}  // namespace

bool BoundPlan::collect(Environment& environment) {
  const PlanSpec& spec = plan_.spec();
  return find(environment, ints_, spec.inputs, inputs_) && find(environment, ints_ + spec.inputs, spec.held, held_);
}

// Gives the outputs slots: all or none.
Status BoundPlan::hand(Environment& environment, napi_value handle) {
  int32_t* const ids = ints_ + registerInts(plan_.spec()) - outputs_.size();
  size_t made = 0;
  while (made < outputs_.size() && (ids[made] = slotFor(environment, outputs_[made])) != 0) ++made;
  bool done = made == outputs_.size();
  if (done && made > 0 && handle != nullptr) done = manages(environment, handle, ids[0]);
  if (done) return Status::kOk;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (i < made) environment.freeUnmanaged(ids[i]);
    else outputs_[i].storage->release();
  }
  return Status::kOutOfMemory;
}

Status BoundPlan::run(Environment& environment, int64_t batch, napi_value handle, int32_t& failedStep) {
  if (!collect(environment)) return Status::kBadHandle;
  const PlanSpec& spec = plan_.spec();
  outputs_.resize(spec.outputs.size());
  Run run;
  run.batch = batch;
  run.inputs = inputs_.data();
  run.held = held_.data();
  run.draws = ints_ + spec.inputs + spec.held;
  run.account = &environment.account();
  run.outputs = outputs_.data();
  Status status = plan_.run(run);
  if (status == Status::kOutOfMemory && !run.wrote) {
    // Looking for dead handles may free any slot but those of live handles.
    hold(inputs_);
    hold(held_);
    environment.makeRoom();
    status = plan_.run(run);
    letGo(inputs_);
    letGo(held_);
  }
  failedStep = run.step;
  return status == Status::kOk ? hand(environment, handle) : status;
}

}  // namespace latent
