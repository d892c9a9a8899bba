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

  const auto rootOf = [this](int32_t value) { return spec_->values[static_cast<size_t>(value)].root; };
  std::vector<bool> isSeen(spec_->values.size());
  lastReads_.resize(static_cast<size_t>(spec_->hoisted));
  for (size_t i = lastReads_.size(); i-- > 0;) {
    const StepSpec& s = spec_->steps[i];
    const auto see = [&](int32_t value) {
      if (value < 0 || isSeen[static_cast<size_t>(rootOf(value))]) return;
      isSeen[static_cast<size_t>(rootOf(value))] = true;
      lastReads_[i].push_back(rootOf(value));
    };
    for (int j = 0; j < s.inputs; ++j) see(s.in[j]);
    for (int j = 0; j < s.outputs; ++j) see(s.out[j]);
  }
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

// Values that only hoisted steps read, each from the step that makes it to the last that reads it, so that the next one takes
// over its memory.
class Plan::Passing {
 public:
  explicit Passing(size_t values) : storages_(values) {}
  ~Passing() {
    for (Storage* storage : storages_) {
      if (storage != nullptr) storage->release();
    }
  }
  Passing(const Passing&) = delete;
  Passing& operator=(const Passing&) = delete;

  void take(int32_t value, Storage* storage) { storages_[static_cast<size_t>(value)] = storage; }
  void release(int32_t value) {
    Storage*& storage = storages_[static_cast<size_t>(value)];
    if (storage != nullptr) storage->release();
    storage = nullptr;
  }

 private:
  std::vector<Storage*> storages_;
};

// Room for what a hoisted step is about to make.
Status Plan::provide(const Instance& instance, const StepSpec& s, Execution& execution, const Run& run, Passing& passing) {
  for (int j = 0; s.kind != StepKind::kView && j < s.outputs; ++j) {
    const Location::Kind kind = instance.locationOf(s.out[j]).kind;
    // Before there is a storage that would be lost.
    if (hoisted_.size() == hoisted_.capacity()) hoisted_.reserve(2 * hoisted_.size() + 1);
    if (hoistedValues_.size() == hoistedValues_.capacity()) hoistedValues_.reserve(2 * hoistedValues_.size() + 1);
    View v = instance.shapeOf(s.out[j]);
    v.storage = Storage::create(run.account, static_cast<size_t>(v.size()) * sizeOf(v.dtype));
    if (v.storage == nullptr) return Status::kOutOfMemory;
    v.data = v.storage->data();
    execution.give(s.out[j], v);
    if (kind == Location::Kind::kPassing) {
      passing.take(s.out[j], v.storage);
      continue;
    }
    if (v.rank >= 2) v.storage->keepPacked();
    hoisted_.push_back(v);
    hoistedValues_.push_back(s.out[j]);
  }
  return Status::kOk;
}

Status Plan::hoist(const Instance& instance, Execution& execution, Run& run) {
  if (spec_->hoisted == 0) return Status::kOk;
  const bool changed = hasChanged(run);
  if (changed) dropHoisted();
  for (size_t i = 0; i < hoisted_.size(); ++i) execution.give(hoistedValues_[i], hoisted_[i]);
  Passing passing(changed ? spec_->values.size() : 0);
  for (int32_t i = 0; i < spec_->hoisted; ++i) {
    const StepSpec& s = spec_->steps[static_cast<size_t>(i)];
    if (!changed && !isWindowOnWhatStays(instance, s)) continue;
    run.step = -1;
    Status status = changed ? provide(instance, s, execution, run, passing) : Status::kOk;
    if (status == Status::kOk) status = execution.step(static_cast<size_t>(i), run);
    if (status != Status::kOk) {
      dropHoisted();
      return status;
    }
    if (!changed) continue;
    for (const int32_t value : lastReads_[static_cast<size_t>(i)]) passing.release(value);
  }
  if (!changed) return Status::kOk;
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
