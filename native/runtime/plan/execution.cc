#include "execution.h"

#include <algorithm>
#include <atomic>

#include "../threads.h"

namespace latent {
namespace {

// A block of a chain's elements, of any type, fits the first cache with a few others.
constexpr int64_t kBlockElements = 2048, kBlockBytes = kBlockElements * 8;
constexpr int64_t kChainGrain = 8 * kBlockElements;
// From so many blocks of images a thread on it doesn't matter that some threads have one more.
constexpr int64_t kManyBlocks = 4;

bool alike(const View& a, const View& b) { return a.dtype == b.dtype && a.sameShape(b); }

// A number among a step's inputs, as a window.
View numberOf(const StepSpec& s, const StepArguments& given, int j) {
  View number;
  number.dtype = s.numberType;
  number.data = reinterpret_cast<char*>(const_cast<double*>(&given.numbers[j]));
  return number;
}

}  // namespace

Status Execution::bind(std::shared_ptr<const Instance> instance, std::shared_ptr<const Instance> spare, const Run& run) {
  instance_ = std::move(instance);
  spare_ = std::move(spare);
  values_.resize(spec_->values.size());
  for (size_t i = 0; i < spec_->values.size(); ++i) {
    const ValueSpec& value = spec_->values[i];
    if (value.origin == Origin::kMade) continue;
    const View& given = value.origin == Origin::kInput ? run.inputs[value.index] : run.held[value.index];
    if (!alike(given, instance_->shapeOf(static_cast<int32_t>(i)))) return LATENT_BROKEN;
    values_[i] = given;
  }
  for (const Placement& p : spec_->placements) {
    const View& target = run.held[p.held];
    if (!alike(target, instance_->shapeOf(p.value)) || !target.contiguous()) return LATENT_BROKEN;
    for (int32_t i = 0; i < spec_->inputs; ++i) {
      if (run.inputs[i].storage == target.storage) return LATENT_BROKEN;
    }
  }
  return Status::kOk;
}

bool Execution::isHeld(int32_t value) const {
  const int32_t root = spec_->values[static_cast<size_t>(value)].root;
  return spec_->values[static_cast<size_t>(root)].origin == Origin::kHeld;
}

Status Execution::perform(size_t i, Run& run) {
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
    call.in[j] = numberOf(s, given, j);
  }
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
    if (s.in[j] >= 0 && s.in[j] != s.out[0] && call.in[j].storage == call.out.storage) return LATENT_BROKEN;
  }
  call.out.storage->touch();
  run.wrote = true;
  return s.op->run(call);
}

// A part of a chain's values, some elements or some images of each, and the room for those that have no buffer.
class Block {
 public:
  Block(const Chain& chain, const std::vector<View>& values, const Instance& instance, int64_t images, char* room)
      : chain_(chain), values_(values), instance_(instance), images_(images), room_(room) {}
  void take(int64_t at, int64_t count) {
    at_ = at;
    count_ = count;
  }
  View of(int32_t value) const { return chain_.images == 0 ? elementsOf(value) : imagesOf(value); }

 private:
  View elementsOf(int32_t value) const {
    const Location& location = instance_.locationOf(value);
    View v;
    v.dtype = instance_.shapeOf(value).dtype;
    v.rank = 1;
    v.shape[0] = count_;
    v.stride[0] = 1;
    const int64_t width = static_cast<int64_t>(sizeOf(v.dtype));
    v.data = location.kind == Location::Kind::kLocal ? room_ + location.index * kBlockBytes
                                                     : values_[static_cast<size_t>(value)].data + at_ * width;
    return v;
  }
  View imagesOf(int32_t value) const {
    const Location& location = instance_.locationOf(value);
    const bool isLocal = location.kind == Location::Kind::kLocal;
    View v = isLocal ? instance_.shapeOf(value) : values_[static_cast<size_t>(value)];
    if (!isOfImages(v, images_)) return v;
    v.shape[0] = count_;
    if (isLocal) v.data = room_ + chain_.offsets[static_cast<size_t>(location.index)];
    else v.data += at_ * v.stride[0] * static_cast<int64_t>(sizeOf(v.dtype));
    return v;
  }

  const Chain& chain_;
  const std::vector<View>& values_;
  const Instance& instance_;
  const int64_t images_;
  char* const room_;
  int64_t at_ = 0, count_ = 0;
};

Status Execution::runChain(const Chain& chain, int32_t& failedStep) {
  const auto stepAt = [&](int32_t i) -> const StepSpec& { return spec_->steps[static_cast<size_t>(i)]; };
  const View& shape = instance_->shapeOf(stepAt(chain.first).out[0]);
  const bool isOfImages = chain.images > 0;
  const int64_t all = isOfImages ? shape.shape[0] : shape.size(), step = isOfImages ? chain.images : kBlockElements;
  const size_t bytes = isOfImages ? static_cast<size_t>(chain.roomBytes) : chain.locals.size() * kBlockBytes;
  std::atomic<int> status{static_cast<int>(Status::kOk)};
  std::atomic<int32_t> failed{chain.first};
  const auto run = [&](int64_t begin, int64_t end) {
    const Scratch room(bytes);
    if (room.failed()) {
      status = static_cast<int>(Status::kOutOfMemory);
      return;
    }
    Block block(chain, values_, *instance_, all, room.as<char>());
    for (int64_t at = begin; at < end; at += step) {
      block.take(at, std::min(step, end - at));
      for (int32_t i = chain.first; i < chain.end; ++i) {
        const StepSpec& s = stepAt(i);
        const StepArguments& given = instance_->arguments(static_cast<size_t>(i));
        Call call;
        call.inputs = s.inputs;
        call.ints = given.ints;
        call.reals = given.reals;
        for (int j = 0; j < s.inputs; ++j) call.in[j] = s.in[j] >= 0 ? block.of(s.in[j]) : numberOf(s, given, j);
        call.out = block.of(s.out[0]);
        const Status done = s.op->run(call);
        if (done == Status::kOk) continue;
        status = static_cast<int>(done);
        failed = i;
        return;
      }
    }
  };
  if (!isOfImages) {
    parallelRanges(all, kChainGrain, run);
  } else {
    // Threads take blocks where these come out even; else each block is shared out within its steps.
    const int64_t blocks = (all + step - 1) / step, threads = threads::count();
    if (blocks % threads == 0 || blocks >= kManyBlocks * threads) parallelRanges(all, step, run);
    else run(0, all);
  }
  failedStep = failed;
  return static_cast<Status>(status.load());
}

Status Execution::runBranch(const std::vector<int32_t>& steps, Run& run, int32_t& failed) {
  const std::vector<Chain>& chains = instance_->chains();
  for (size_t at = 0; at < steps.size();) {
    if (run.stop != nullptr && run.stop->load(std::memory_order_relaxed)) return Status::kStopped;
    const int32_t i = steps[at];
    const auto chain =
        std::lower_bound(chains.begin(), chains.end(), i, [](const Chain& c, int32_t first) { return c.first < first; });
    failed = i;
    Status status;
    if (chain != chains.end() && chain->first == i) {
      status = runChain(*chain, failed);
      at += static_cast<size_t>(chain->end - i);
    } else {
      status = perform(static_cast<size_t>(i), run);
      ++at;
    }
    if (status != Status::kOk) return status;
  }
  return Status::kOk;
}

// Of branches that fail, the one tells that would have failed first, one step after the other.
Status Execution::runFork(const Fork& fork, Run& run) {
  endings_.assign(fork.branches.size(), {});
  parallelFor(static_cast<int64_t>(fork.branches.size()), [&](int64_t b) {
    Ending ending;
    ending.status = runBranch(fork.branches[static_cast<size_t>(b)], run, ending.step);
    endings_[static_cast<size_t>(b)] = {ending.status, ending.step};
  });
  Status status = Status::kOk;
  for (const auto& [ended, step] : endings_) {
    if (ended == Status::kOk || (status != Status::kOk && step > run.step)) continue;
    status = ended;
    run.step = step;
  }
  return status;
}

Status Execution::run(Run& run) {
  made_.resize(spec_->outputs.size());
  const struct Ending {
    ~Ending() { execution.release(); }
    Execution& execution;
  } ending{*this};
  run.step = -1;
  Status status = provide(run);
  if (status == Status::kOutOfMemory && spare_ != nullptr) {
    release();
    instance_ = spare_;
    status = provide(run);
  }
  const Chain* chain = instance_->chains().data();
  const Chain* const noChain = chain + instance_->chains().size();
  const Fork* fork = instance_->forks().data();
  const Fork* const noFork = fork + instance_->forks().size();
  const int32_t steps = static_cast<int32_t>(spec_->steps.size());
  for (int32_t i = spec_->hoisted; status == Status::kOk && i < steps;) {
    const int32_t first = i;
    if (run.stop != nullptr && run.stop->load(std::memory_order_relaxed)) return Status::kStopped;
    if (fork != noFork && fork->first == i) {
      status = runFork(*fork, run);
      i = (fork++)->end;
      while (chain != noChain && chain->first < i) ++chain;
    } else if (chain != noChain && chain->first == i) {
      status = runChain(*chain, run.step);
      i = (chain++)->end;
    } else {
      status = step(static_cast<size_t>(i++), run);
    }
    run.placed = run.placed || (first <= instance_->firstInHeld() && instance_->firstInHeld() < i);
  }
  if (status != Status::kOk) return status;
  run.step = -1;
  for (size_t i = 0; i < spec_->outputs.size(); ++i) {
    run.outputs[i] = values_[static_cast<size_t>(spec_->outputs[i])];
    run.outputs[i].storage->retain();
  }
  return Status::kOk;
}

void Execution::release() noexcept {
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
    const Location& location = instance_->locationOf(value);
    View& v = values_[static_cast<size_t>(value)];
    v = instance_->shapeOf(value);
    if (location.kind == Location::Kind::kArena) {
      v.storage = arena_;
      v.data = arena_->data() + location.offset;
      continue;
    }
    if (location.kind == Location::Kind::kHeld) {
      v.storage = run.held[location.index].storage;
      v.data = run.held[location.index].data;
      v.storage->touch();
      continue;
    }
    Storage*& output = made_[static_cast<size_t>(location.index)];
    if (output == nullptr) output = Storage::create(run.account, static_cast<size_t>(v.size()) * sizeOf(v.dtype));
    if (output == nullptr) return Status::kOutOfMemory;
    v.storage = output;
    v.data = output->data();
  }
  return Status::kOk;
}

}  // namespace latent
