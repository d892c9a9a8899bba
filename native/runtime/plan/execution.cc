#include "execution.h"

#include <algorithm>

namespace latent {
namespace {

bool alike(const View& a, const View& b) { return a.dtype == b.dtype && a.sameShape(b); }

}  // namespace

Status Execution::bind(std::shared_ptr<const Instance> instance, const Run& run) {
  instance_ = std::move(instance);
  values_.resize(spec_->values.size());
  for (size_t i = 0; i < spec_->values.size(); ++i) {
    const ValueSpec& value = spec_->values[i];
    if (value.origin == Origin::kMade) continue;
    const View& given = value.origin == Origin::kInput ? run.inputs[value.index] : run.held[value.index];
    if (!alike(given, instance_->shapeOf(static_cast<int32_t>(i)))) return Status::kContract;
    values_[i] = given;
  }
  for (const Placement& p : spec_->placements) {
    const View& target = run.held[p.held];
    if (!alike(target, instance_->shapeOf(p.value)) || !target.contiguous()) return Status::kContract;
    for (int32_t i = 0; i < spec_->inputs; ++i) {
      if (run.inputs[i].storage == target.storage) return Status::kContract;
    }
  }
  return Status::kOk;
}

bool Execution::isHeld(int32_t value) const {
  const int32_t root = spec_->values[static_cast<size_t>(value)].root;
  return spec_->values[static_cast<size_t>(root)].origin == Origin::kHeld;
}

Status Execution::step(size_t i, Run& run) {
  const StepSpec& s = spec_->steps[i];
  const StepArguments& given = instance_->arguments(i);
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
    call.out = instance_->shapeOf(s.out[0]);
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

Status Execution::run(Run& run) {
  made_.resize(spec_->outputs.size());
  const struct Ending {
    ~Ending() { execution.letGo(); }
    Execution& execution;
  } ending{*this};
  Status status = provide(run);
  for (size_t i = static_cast<size_t>(spec_->hoisted); status == Status::kOk && i < spec_->steps.size(); ++i) {
    if (run.stop != nullptr && run.stop->load(std::memory_order_relaxed)) return Status::kStopped;
    status = step(i, run);
  }
  if (status != Status::kOk) return status;
  run.step = -1;
  for (size_t i = 0; i < spec_->outputs.size(); ++i) {
    run.outputs[i] = values_[static_cast<size_t>(spec_->outputs[i])];
    run.outputs[i].storage->retain();
  }
  return Status::kOk;
}

void Execution::letGo() noexcept {
  for (Storage*& storage : made_) {
    if (storage != nullptr) storage->release();
    storage = nullptr;
  }
  if (arena_ != nullptr) arena_->release();
  arena_ = nullptr;
}

// Gives every made value its place.
Status Execution::provide(const Run& run) {
  if (instance_->usesArena()) {
    arena_ = Storage::create(run.account, static_cast<size_t>(instance_->arenaBytes()));
    if (arena_ == nullptr) return Status::kOutOfMemory;
  }
  for (const int32_t value : instance_->placed()) {
    const Home& home = instance_->homeOf(value);
    View& v = values_[static_cast<size_t>(value)];
    v = instance_->shapeOf(value);
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
