// Plans whose branches run side by side give what they give one step after the other, to the last bit; and forks are where they
// should be.
#include "runtime/plan/forks.h"

#include <cstring>

#include "check.h"
#include "generator.h"
#include "runtime/memory.h"
#include "runtime/ops/ops.h"
#include "runtime/plan/plan.h"
#include "runtime/threads.h"

using namespace latent;

namespace {

const OpEntry* operation(const char* name) {
  for (const OpList* list : {&kElementwiseOps, &kCopyOps, &kViewOps, &kReduceOps, &kIndexOps}) {
    for (int i = 0; i < list->count; ++i) {
      if (std::strcmp(list->entries[i].name, name) == 0) return &list->entries[i];
    }
  }
  LATENT_CHECK(false, "no operation %s", name);
  return nullptr;
}

// A plan over vectors of one length.
class Builder {
 public:
  Builder() {
    spec.inputs = 1;
    value(Origin::kInput, 0);
  }
  int32_t value(Origin origin, int32_t index) {
    ValueSpec v;
    v.origin = origin;
    v.index = index;
    v.rank = 1;
    v.shapeAt = spec.numbers++;
    v.root = static_cast<int32_t>(spec.values.size());
    spec.values.push_back(v);
    return v.root;
  }
  int32_t step(const char* name, std::vector<int32_t> inputs) {
    const int32_t out = value(Origin::kMade, -1);
    add(name, StepKind::kNew, inputs, out);
    return out;
  }
  void into(int32_t source, int32_t target) { add("copy", StepKind::kInto, {source}, target); }
  int32_t view(int32_t source) {
    const int32_t out = value(Origin::kMade, -1);
    spec.values.back().root = spec.values[static_cast<size_t>(source)].root;
    add("reshapeView", StepKind::kView, {source}, out);
    return out;
  }

  PlanSpec spec;

 private:
  void add(const char* name, StepKind kind, const std::vector<int32_t>& inputs, int32_t out) {
    StepSpec s;
    s.op = operation(name);
    s.kind = kind;
    s.inputs = static_cast<int32_t>(inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) s.in[i] = inputs[i];
    s.outputs = 1;
    s.out[0] = out;
    spec.steps.push_back(s);
  }
};

std::unique_ptr<Instance> instanceOf(const PlanSpec& spec, int64_t length, const std::vector<Fork>& forks) {
  const std::vector<double> numbers(static_cast<size_t>(spec.numbers), static_cast<double>(length));
  return Instance::make(spec, numbers.data(), forks);
}

std::vector<char> run(const std::shared_ptr<const PlanSpec>& spec, const std::vector<Fork>& forks, const View& input) {
  Execution execution(spec);
  std::vector<View> outputs(spec->outputs.size());
  Account account;
  Run run;
  run.inputs = &input;
  run.account = &account;
  run.outputs = outputs.data();
  const std::shared_ptr<const Instance> instance = instanceOf(*spec, input.shape[0], forks);
  LATENT_CHECK(instance != nullptr && instance->arenaBytes() >= instance->leastBytes(), "no instance");
  Status status = execution.bind(instance, nullptr, run);
  if (status == Status::kOk) status = execution.run(run);
  LATENT_CHECK(status == Status::kOk, "status %d at step %d", static_cast<int>(status), run.step);
  std::vector<char> bytes;
  for (const View& v : outputs) {
    bytes.insert(bytes.end(), v.data, v.data + v.size() * 4);
    v.storage->release();
  }
  return bytes;
}

void twoBranches() {
  Builder b;
  const int32_t common = b.step("sin", {0});
  const int32_t left = b.step("tanh", {b.step("exp", {common})});
  const int32_t right = b.step("cos", {b.step("neg", {common})});
  b.spec.outputs = {b.step("add", {left, right})};
  const std::vector<Fork> forks = findForks(b.spec);
  LATENT_CHECK(forks.size() == 1, "%zu forks", forks.size());
  const Fork& fork = forks[0];
  LATENT_CHECK(fork.first == 1 && fork.end == 5 && fork.branches.size() == 2, "[%d, %d)", fork.first, fork.end);
  LATENT_CHECK((fork.branches[0] == std::vector<int32_t>{1, 2} && fork.branches[1] == std::vector<int32_t>{3, 4}),
               "its branches");
}

void noBranches() {
  Builder chain;
  int32_t x = 0;
  for (int i = 0; i < 400; ++i) x = chain.step(i % 2 == 0 ? "sin" : "exp", {x});
  chain.spec.outputs = {x};
  LATENT_CHECK(findForks(chain.spec).empty(), "a chain has no forks");
  // Whoever writes into what another reads waits for it.
  Builder written;
  const int32_t target = written.step("sin", {0});
  const int32_t read = written.step("exp", {written.view(target)});
  written.into(0, target);
  written.spec.outputs = {read, target};
  LATENT_CHECK(findForks(written.spec).empty(), "a write has its order");
  // A result that outlives the run is written by the thread that runs the plan, in its order.
  Builder outlives;
  const int32_t held = outlives.value(Origin::kHeld, 0);
  const int32_t made = outlives.step("tanh", {outlives.step("exp", {0})});
  outlives.into(outlives.step("cos", {outlives.step("neg", {0})}), held);
  outlives.spec.outputs = {made};
  const int32_t write = static_cast<int32_t>(outlives.spec.steps.size()) - 1;
  const std::vector<Fork> forks = findForks(outlives.spec);
  LATENT_CHECK(forks.size() == 1 && forks[0].end == write, "%zu forks beside a write that outlives the run", forks.size());
}

// Of branches that fail side by side, the one tells that would have failed first.
void firstOfFailures() {
  Builder b;
  b.spec.inputs = 2;
  const int32_t indices = b.value(Origin::kInput, 1);
  b.spec.values[static_cast<size_t>(indices)].dtype = DType::kInt32;
  const int32_t left = b.step("neg", {b.step("take", {0, indices})});
  const int32_t right = b.step("neg", {b.step("take", {0, indices})});
  b.spec.outputs = {b.step("add", {left, right})};
  const auto spec = std::make_shared<const PlanSpec>(std::move(b.spec));
  float numbers[2] = {1, 2};
  int32_t outside[2] = {0, 2};
  View inputs[2];
  for (View& v : inputs) {
    v.rank = 1;
    v.shape[0] = 2;
    v.setContiguousStrides();
  }
  inputs[0].data = reinterpret_cast<char*>(numbers);
  inputs[1].dtype = DType::kInt32;
  inputs[1].data = reinterpret_cast<char*>(outside);
  Execution execution(spec);
  View output;
  Account account;
  Run run;
  run.inputs = inputs;
  run.account = &account;
  run.outputs = &output;
  const std::shared_ptr<const Instance> instance = instanceOf(*spec, 2, findForks(*spec));
  LATENT_CHECK(instance != nullptr && instance->forks().size() == 1, "a fork of two");
  LATENT_CHECK(execution.bind(instance, nullptr, run) == Status::kOk, "bound");
  const Status status = execution.run(run);
  LATENT_CHECK(status == Status::kIndex && run.step == 0, "status %d at step %d", static_cast<int>(status), run.step);
}

PlanSpec randomPlan(test::Generator& random) {
  Builder b;
  std::vector<int32_t> pool{0}, own;
  const int64_t steps = 3 + random.below(40);
  for (int64_t i = 0; i < steps; ++i) {
    // Near the last or the first values: chains side by side.
    const size_t back = static_cast<size_t>(random.below(std::min<int64_t>(static_cast<int64_t>(pool.size()), 4)));
    const int32_t a =
        random.below(4) == 0 ? pool[static_cast<size_t>(random.below(3)) % pool.size()] : pool[pool.size() - 1 - back];
    const int32_t c = pool[static_cast<size_t>(random.below(static_cast<int64_t>(pool.size())))];
    static const char* const unary[] = {"sin", "tanh", "neg", "relu", "sigmoid"};
    static const char* const binary[] = {"add", "mul", "maximum"};
    switch (random.below(8)) {
      case 0:
      case 1:
        pool.push_back(b.step(binary[random.below(3)], {a, c}));
        own.push_back(pool.back());
        break;
      case 2: pool.push_back(b.view(a)); break;
      case 3: {
        if (own.empty()) break;
        const int32_t target = own[static_cast<size_t>(random.below(static_cast<int64_t>(own.size())))];
        if (b.spec.values[static_cast<size_t>(a)].root == target) break;
        b.into(a, target);
        break;
      }
      default: pool.push_back(b.step(unary[random.below(5)], {a})); own.push_back(pool.back());
    }
  }
  if (own.empty()) own.push_back(b.step("sin", {0}));
  for (int i = 0; i < 3; ++i) {
    const int32_t output =
        own[own.size() - 1 - static_cast<size_t>(random.below(std::min<int64_t>(static_cast<int64_t>(own.size()), 4)))];
    bool known = false;
    for (const int32_t other : b.spec.outputs) known = known || other == output;
    if (!known) b.spec.outputs.push_back(output);
  }
  return std::move(b.spec);
}

}  // namespace

int main() {
  twoBranches();
  noBranches();
  test::Generator random(test::seed());
  threads::setCount(4);
  firstOfFailures();
  int64_t forked = 0;
  for (int64_t round = 0; round < (test::fullSweep() ? 20000 : 2000); ++round) {
    const auto spec = std::make_shared<const PlanSpec>(randomPlan(random));
    const std::vector<Fork> forks = findForks(*spec);
    forked += forks.empty() ? 0 : 1;
    // Also of as many elements that steps are chained.
    const int64_t size = random.below(10) == 0 ? 100000 : 1 + random.below(500);
    View input;
    input.dtype = DType::kFloat32;
    input.rank = 1;
    input.shape[0] = size;
    input.setContiguousStrides();
    std::vector<float> numbers(static_cast<size_t>(size));
    for (float& x : numbers) x = static_cast<float>(random.uniform(-2, 2));
    input.data = reinterpret_cast<char*>(numbers.data());
    LATENT_CHECK(run(spec, {}, input) == run(spec, forks, input), "round %lld: other results side by side",
                 test::wide(round));
  }
  LATENT_CHECK(forked > 100, "only %lld plans had forks", test::wide(forked));
  return test::finish("test_forks");
}
