#include "plan.h"

#include <algorithm>

namespace latent {
namespace {

constexpr size_t kMostInstances = 8;

bool alike(const View& a, const View& b) { return a.dtype == b.dtype && a.sameShape(b); }

}  // namespace

Plan::Plan(PlanSpec spec) : spec_(static_cast<PlanSpec&&>(spec)) {
  for (int32_t i = 0; i < spec_.hoisted; ++i) {
    const StepSpec& s = spec_.steps[static_cast<size_t>(i)];
    for (int j = 0; j < s.inputs; ++j) {
      if (s.in[j] < 0) continue;
      const ValueSpec& value = spec_.values[static_cast<size_t>(s.in[j])];
      if (value.origin == Origin::kHeld) hoistedFrom_.push_back(value.index);
    }
  }
  std::sort(hoistedFrom_.begin(), hoistedFrom_.end());
  hoistedFrom_.erase(std::unique(hoistedFrom_.begin(), hoistedFrom_.end()), hoistedFrom_.end());
}

const Instance* Plan::instanceFor(int64_t batch) {
  for (size_t i = 0; i < instances_.size(); ++i) {
    if (instances_[i]->batch() != batch) continue;
    std::rotate(instances_.begin(), instances_.begin() + static_cast<std::ptrdiff_t>(i),
                instances_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    return instances_.front().get();
  }
  std::unique_ptr<Instance> made = Instance::make(spec_, batch);
  if (made == nullptr) return nullptr;
  instances_.insert(instances_.begin(), std::move(made));
  if (instances_.size() > kMostInstances) instances_.pop_back();
  return instances_.front().get();
}

Status Plan::bind(const Instance& instance, const Run& run) {
  values_.resize(spec_.values.size());
  for (size_t i = 0; i < spec_.values.size(); ++i) {
    const ValueSpec& value = spec_.values[i];
    if (value.origin == Origin::kMade) continue;
    const View& given = value.origin == Origin::kInput ? run.inputs[value.index] : run.held[value.index];
    if (!alike(given, instance.shapeOf(static_cast<int32_t>(i)))) return Status::kContract;
    values_[i] = given;
  }
  for (const Placement& p : spec_.placements) {
    const View& target = run.held[p.held];
    if (!alike(target, instance.shapeOf(p.value)) || !target.contiguous()) return Status::kContract;
    for (int32_t i = 0; i < spec_.inputs; ++i) {
      if (run.inputs[i].storage == target.storage) return Status::kContract;
    }
  }
  return Status::kOk;
}

void Plan::dropHoisted() noexcept {
  for (const View& v : hoisted_) v.storage->release();
  hoisted_.clear();
  hoistedValues_.clear();
  seen_.clear();
}

bool Plan::hasChanged(const Run& run) const {
  if (seen_.size() != hoistedFrom_.size() || hoisted_.empty()) return true;
  for (size_t i = 0; i < seen_.size(); ++i) {
    const View& now = run.held[hoistedFrom_[i]];
    if (seen_[i].storage != now.storage || seen_[i].data != now.data || seen_[i].version != now.storage->version()) {
      return true;
    }
  }
  return false;
}

Status Plan::hoist(const Instance& instance, Run& run) {
  if (spec_.hoisted == 0) return Status::kOk;
  const bool changed = hasChanged(run);
  if (changed) {
    dropHoisted();
    for (size_t i = 0; i < spec_.values.size(); ++i) {
      const int32_t value = static_cast<int32_t>(i);
      const Home::Kind kind = instance.homeOf(value).kind;
      if (kind != Home::Kind::kHoisted && kind != Home::Kind::kPassing) continue;
      View v = instance.shapeOf(value);
      v.storage = Storage::create(run.account, static_cast<size_t>(v.size()) * sizeOf(v.dtype));
      if (v.storage == nullptr) return Status::kOutOfMemory;
      v.data = v.storage->data();
      if (v.rank >= 2) v.storage->keepPacked();
      hoisted_.push_back(v);
      hoistedValues_.push_back(value);
    }
  }
  for (size_t i = 0; i < hoisted_.size(); ++i) values_[static_cast<size_t>(hoistedValues_[i])] = hoisted_[i];
  for (int32_t i = 0; i < spec_.hoisted; ++i) {
    if (!changed && !isWindowOnWhatStays(instance, spec_.steps[static_cast<size_t>(i)])) continue;
    const Status status = step(instance, static_cast<size_t>(i), run);
    if (status != Status::kOk) {
      dropHoisted();
      return status;
    }
  }
  if (!changed) return Status::kOk;
  dropPassing(instance);
  for (const int32_t i : hoistedFrom_) {
    const View& held = run.held[i];
    seen_.push_back({held.storage, held.data, held.storage->version()});
  }
  return Status::kOk;
}

// Windows are made anew at each run, for what they look at may have moved.
bool Plan::isWindowOnWhatStays(const Instance& instance, const StepSpec& s) const {
  if (s.kind != StepKind::kView) return false;
  return instance.homeOf(spec_.values[static_cast<size_t>(s.out[0])].root).kind != Home::Kind::kPassing;
}

void Plan::dropPassing(const Instance& instance) noexcept {
  size_t kept = 0;
  for (size_t i = 0; i < hoisted_.size(); ++i) {
    if (instance.homeOf(hoistedValues_[i]).kind == Home::Kind::kPassing) {
      hoisted_[i].storage->release();
      continue;
    }
    hoisted_[kept] = hoisted_[i];
    hoistedValues_[kept++] = hoistedValues_[i];
  }
  hoisted_.resize(kept);
  hoistedValues_.resize(kept);
}

bool Plan::isHeld(int32_t value) const {
  const int32_t root = spec_.values[static_cast<size_t>(value)].root;
  return spec_.values[static_cast<size_t>(root)].origin == Origin::kHeld;
}

Status Plan::step(const Instance& instance, size_t i, Run& run) {
  const StepSpec& s = spec_.steps[i];
  const StepArguments& given = instance.arguments(i);
  Call call;
  call.inputs = s.inputs;
  call.outputs = s.outputs;
  call.reals = given.reals;
  call.ints = given.ints;
  int32_t ints[kIntArguments];
  if (s.draw >= 0) {
    std::copy(given.ints, given.ints + kIntArguments, ints);
    std::copy(run.draws + s.draw * kDrawInts, run.draws + (s.draw + 1) * kDrawInts, ints);
    call.ints = ints;
  }
  for (int j = 0; j < s.inputs; ++j) {
    if (s.in[j] >= 0) {
      call.in[j] = values_[static_cast<size_t>(s.in[j])];
      continue;
    }
    View& number = call.in[j];
    number.dtype = s.numberType;
    number.data = reinterpret_cast<char*>(const_cast<double*>(&given.numbers[j]));
  }
  run.step = static_cast<int32_t>(i);
  if (s.kind == StepKind::kView) {
    call.out = instance.shapeOf(s.out[0]);
    const Status status = s.op->run(call);
    values_[static_cast<size_t>(s.out[0])] = call.out;
    return status;
  }
  for (int j = 0; j < s.outputs; ++j) call.output(j) = values_[static_cast<size_t>(s.out[j])];
  if (s.kind != StepKind::kInto || !isHeld(s.out[0])) return s.op->run(call);
  // Two of the held may share a storage, and one of them would be read while the other is written.
  for (int j = 0; j < s.inputs; ++j) {
    if (s.in[j] >= 0 && s.in[j] != s.out[0] && call.in[j].storage == call.out.storage) return Status::kContract;
  }
  call.out.storage->touch();
  run.wrote = true;
  return s.op->run(call);
}

Status Plan::run(Run& run) {
  run.step = -1;
  const Instance* instance = instanceFor(run.batch);
  if (instance == nullptr) return Status::kContract;
  if (instance->isTooLarge()) return Status::kOutOfMemory;
  Status status = bind(*instance, run);
  if (status == Status::kOk) status = hoist(*instance, run);
  if (status != Status::kOk) return status;

  made_.resize(spec_.outputs.size());
  const struct Ending {
    ~Ending() { plan.letGo(); }
    Plan& plan;
  } ending{*this};
  status = provide(*instance, run);
  for (size_t i = static_cast<size_t>(spec_.hoisted); status == Status::kOk && i < spec_.steps.size(); ++i) {
    status = step(*instance, i, run);
  }
  if (status == Status::kOk) {
    run.step = -1;
    for (size_t i = 0; i < spec_.outputs.size(); ++i) {
      run.outputs[i] = values_[static_cast<size_t>(spec_.outputs[i])];
      run.outputs[i].storage->retain();
    }
  }
  return status;
}

void Plan::letGo() noexcept {
  for (Storage*& storage : made_) {
    if (storage != nullptr) storage->release();
    storage = nullptr;
  }
  if (arena_ != nullptr) arena_->release();
  arena_ = nullptr;
}

// Gives every made value its place.
Status Plan::provide(const Instance& instance, const Run& run) {
  if (instance.usesArena()) {
    arena_ = Storage::create(run.account, static_cast<size_t>(instance.arenaBytes()));
    if (arena_ == nullptr) return Status::kOutOfMemory;
  }
  for (const int32_t value : instance.placed()) {
    const Home& home = instance.homeOf(value);
    View& v = values_[static_cast<size_t>(value)];
    v = instance.shapeOf(value);
    if (home.kind == Home::Kind::kArena) {
      v.storage = arena_;
      v.data = arena_->data() + home.offset;
      continue;
    }
    if (home.kind == Home::Kind::kHeld) {
      v.storage = run.held[home.index].storage;
      v.data = run.held[home.index].data;
      v.storage->touch();
      continue;
    }
    Storage*& output = made_[static_cast<size_t>(home.index)];
    if (output == nullptr) output = Storage::create(run.account, static_cast<size_t>(v.size()) * sizeOf(v.dtype));
    if (output == nullptr) return Status::kOutOfMemory;
    v.storage = output;
    v.data = output->data();
  }
  return Status::kOk;
}

}  // namespace latent
