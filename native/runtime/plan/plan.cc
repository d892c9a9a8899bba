#include "plan.h"

#include <algorithm>
#include <chrono>

#include "../threads.h"

namespace latent {

Plan::Plan(PlanSpec given)
    : spec_(std::make_shared<const PlanSpec>(std::move(given))), forks_(findForks(*spec_)), execution_(spec_) {
  for (int32_t i = 0; i < spec_->hoisted; ++i) {
    const StepSpec& s = spec_->steps[static_cast<size_t>(i)];
    for (int j = 0; j < s.inputs; ++j) {
      if (s.in[j] < 0) continue;
      const ValueSpec& value = spec_->values[static_cast<size_t>(s.in[j])];
      if (value.origin == Origin::kHeld) hoistedFrom_.push_back(value.index);
    }
  }
  std::sort(hoistedFrom_.begin(), hoistedFrom_.end());
  hoistedFrom_.erase(std::unique(hoistedFrom_.begin(), hoistedFrom_.end()), hoistedFrom_.end());
}

int32_t Plan::addSizes(std::vector<double> numbers) {
  if (numbers.size() != static_cast<size_t>(spec_->numbers)) return 0;
  if (lastSizes_ == 0) firstNumbers_ = numbers;
  if (!spec_->hoistsAlike(firstNumbers_.data(), numbers.data())) return 0;
  Ways made;
  made.alone = Instance::make(*spec_, numbers.data(), {});
  if (made.alone == nullptr) return 0;
  made.numbers = std::move(numbers);
  ways_.emplace(++lastSizes_, std::move(made));
  return lastSizes_;
}

void Plan::dropSizes(int32_t sizes) noexcept { ways_.erase(sizes); }

Plan::Ways* Plan::waysFor(int32_t sizes) {
  const auto found = ways_.find(sizes);
  if (found == ways_.end()) return nullptr;
  Ways& ways = found->second;
  const int threads = forks_.empty() ? 1 : threads::count();
  if (ways.threads != threads) {
    ways.threads = threads;
    ways.runs = 0;
  }
  return &ways;
}

std::shared_ptr<const Instance> Plan::instanceFor(int32_t sizes) {
  Ways* const ways = waysFor(sizes);
  if (ways == nullptr) return nullptr;
  if (!ways->forks()) return ways->alone;
  if (ways->forked == nullptr) ways->forked = Instance::make(*spec_, ways->numbers.data(), forks_);
  return ways->forked;
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

Status Plan::hoist(const Instance& instance, Execution& execution, Run& run) {
  if (spec_->hoisted == 0) return Status::kOk;
  const bool changed = hasChanged(run);
  if (changed) {
    dropHoisted();
    for (size_t i = 0; i < spec_->values.size(); ++i) {
      const int32_t value = static_cast<int32_t>(i);
      const Location::Kind kind = instance.locationOf(value).kind;
      if (kind != Location::Kind::kHoisted && kind != Location::Kind::kPassing) continue;
      View v = instance.shapeOf(value);
      v.storage = Storage::create(run.account, static_cast<size_t>(v.size()) * sizeOf(v.dtype));
      if (v.storage == nullptr) return Status::kOutOfMemory;
      v.data = v.storage->data();
      if (v.rank >= 2) v.storage->keepPacked();
      hoisted_.push_back(v);
      hoistedValues_.push_back(value);
    }
  }
  for (size_t i = 0; i < hoisted_.size(); ++i) execution.give(hoistedValues_[i], hoisted_[i]);
  for (int32_t i = 0; i < spec_->hoisted; ++i) {
    if (!changed && !isWindowOnWhatStays(instance, spec_->steps[static_cast<size_t>(i)])) continue;
    const Status status = execution.step(static_cast<size_t>(i), run);
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
  return instance.locationOf(spec_->values[static_cast<size_t>(s.out[0])].root).kind != Location::Kind::kPassing;
}

void Plan::dropPassing(const Instance& instance) noexcept {
  size_t kept = 0;
  for (size_t i = 0; i < hoisted_.size(); ++i) {
    if (instance.locationOf(hoistedValues_[i]).kind == Location::Kind::kPassing) {
      hoisted_[i].storage->release();
      continue;
    }
    hoisted_[kept] = hoisted_[i];
    hoistedValues_[kept++] = hoistedValues_[i];
  }
  hoisted_.resize(kept);
  hoistedValues_.resize(kept);
}

Status Plan::prepare(Execution& execution, Run& run) {
  run.step = -1;
  const std::shared_ptr<const Instance> instance = instanceFor(run.sizes);
  if (instance == nullptr) return LATENT_BROKEN;
  if (instance->isTooLarge()) return Status::kOutOfMemory;
  // Branches side by side need more memory than one after the other.
  const std::shared_ptr<const Instance> spare = instance->forks().empty() ? nullptr : ways_.at(run.sizes).alone;
  const Status status = execution.bind(instance, spare, run);
  return status == Status::kOk ? hoist(*instance, execution, run) : status;
}

Status Plan::run(Run& run) {
  Status status = prepare(execution_, run);
  if (status != Status::kOk) return status;
  Ways& ways = ways_.at(run.sizes);
  if (!ways.isTrying()) return execution_.run(run);
  const auto begin = std::chrono::steady_clock::now();
  status = execution_.run(run);
  if (status == Status::kOk) {
    note(ways, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return status;
}

void Plan::note(Ways& ways, double seconds) {
  double& best = ways.forks() ? ways.forkedBest : ways.aloneBest;
  const int trial = ways.runs++ - kWarm;
  if (trial >= 0 && trial % 2 == 1 && (trial < 4 || seconds < best)) best = seconds;
  if (!ways.isTrying() && !ways.forks()) ways.forked = nullptr;
}

}  // namespace latent
