#include "plans.h"

#include <new>

namespace latent {
namespace {

void hold(const std::vector<View>& views) {
  for (const View& v : views) v.storage->retain();
}

void releaseViews(const std::vector<View>& views) {
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

}  // namespace

BoundPlan::BoundPlan(PlanSpec spec, int32_t* registerData, napi_env env, napi_ref registerRef)
    : plan_(std::move(spec)), ints_(registerData), env_(env), registerRef_(registerRef) {
  const PlanSpec& made = plan_.spec();
  for (const Placement& p : made.placements) written_.push_back(p.held);
  for (const StepSpec& s : made.steps) {
    if (s.kind != StepKind::kInto) continue;
    const ValueSpec& root = made.values[static_cast<size_t>(made.values[static_cast<size_t>(s.out[0])].root)];
    if (root.origin == Origin::kHeld) written_.push_back(root.index);
  }
}

Status BoundPlan::collect(Environment& environment, std::vector<View>& inputs, std::vector<View>& held) {
  const PlanSpec& spec = plan_.spec();
  for (const int32_t i : written_) {
    const Status status = environment.own(ints_[spec.inputs + i]);
    if (status != Status::kOk) return status;
  }
  const bool found =
      find(environment, ints_, spec.inputs, inputs) && find(environment, ints_ + spec.inputs, spec.held, held);
  return found ? Status::kOk : Status::kBadHandle;
}

Status BoundPlan::hand(Environment& environment, const std::vector<View>& outputs, napi_value handle) noexcept {
  int32_t* const ids = ints_ + registerInts(plan_.spec()) - outputs.size();
  size_t made = 0;
  while (made < outputs.size() && (ids[made] = slotFor(environment, outputs[made])) != 0) ++made;
  bool done = made == outputs.size();
  if (done && made > 0 && handle != nullptr) done = environment.manage(handle, ids[0]) == Status::kOk;
  if (done) return Status::kOk;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (i < made) environment.freeUnmanaged(ids[i]);
    else outputs[i].storage->release();
  }
  return Status::kOutOfMemory;
}

// Calls f, and once more with room made where memory was short and nothing had been written. Looking for dead handles may
// free any slot but those of live handles.
template <class F>
Status BoundPlan::withRoom(Environment& environment, Run& run, const std::vector<View>& inputs,
                           const std::vector<View>& held, F&& body) {
  const auto f = [&] {
    try {
      return body();
    } catch (const std::bad_alloc&) {
      return Status::kOutOfMemory;
    }
  };
  const Status status = f();
  if (status != Status::kOutOfMemory || run.wrote) return status;
  hold(inputs);
  hold(held);
  environment.makeRoom();
  const Status again = f();
  releaseViews(inputs);
  releaseViews(held);
  return again;
}

Status BoundPlan::run(Environment& environment, int32_t sizes, napi_value handle, Ending& ending) {
  const Status found = collect(environment, inputs_, held_);
  if (found != Status::kOk) return found;
  const PlanSpec& spec = plan_.spec();
  outputs_.resize(spec.outputs.size());
  Run run;
  run.sizes = sizes;
  run.inputs = inputs_.data();
  run.held = held_.data();
  run.draws = ints_ + spec.inputs + spec.held;
  run.account = &environment.account();
  run.outputs = outputs_.data();
  const Status status = withRoom(environment, run, inputs_, held_, [&] { return plan_.run(run); });
  ending = {run.step, run.placed, run.wrote};
  return status == Status::kOk ? hand(environment, outputs_, handle) : status;
}

Status BoundPlan::ready(Environment& environment, int32_t sizes, ReadyRun& ready) {
  if (!written_.empty()) return LATENT_BROKEN;
  const Status found = collect(environment, ready.inputs, ready.held);
  if (found != Status::kOk) return found;
  const PlanSpec& spec = plan_.spec();
  const int32_t* const draws = ints_ + spec.inputs + spec.held;
  ready.draws.assign(draws, draws + spec.draws * kDrawInts);
  ready.execution = plan_.execution();
  Run& run = ready.run;
  run.sizes = sizes;
  run.inputs = ready.inputs.data();
  run.held = ready.held.data();
  run.draws = ready.draws.data();
  run.account = &environment.account();
  return withRoom(environment, run, ready.inputs, ready.held, [&] { return plan_.prepare(*ready.execution, run); });
}

}  // namespace latent
