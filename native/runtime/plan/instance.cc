#include "instance.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "../ops/move.h"

namespace latent {
namespace {

constexpr double kMostElements = 9007199254740992.0;
// No machine has as much; and so many buffers of fewer bytes as a plan can have add up without overflow.
constexpr int64_t kMostBytes = int64_t(1) << 42;

// Which values share storage, and for how long each is needed.
class Lives {
 public:
  Lives(const PlanSpec& plan, const Instance& instance)
      : plan_(plan), instance_(instance), leader_(plan.values.size()), first_(plan.values.size(), -1),
        last_(plan.values.size(), -1), output_(plan.values.size(), -1), held_(plan.values.size(), -1),
        whole_(plan.values.size(), false) {
    for (size_t i = 0; i < leader_.size(); ++i) leader_[i] = static_cast<int32_t>(i);
    for (size_t i = 0; i < plan.outputs.size(); ++i) {
      const int32_t root = rootOf(plan.outputs[i]);
      if (at(output_, root) < 0) at(output_, root) = static_cast<int32_t>(i);
    }
    for (const Placement& p : plan.placements) at(held_, p.value) = p.held;
    const int32_t steps = static_cast<int32_t>(plan.steps.size());
    for (int32_t i = 0; i < steps; ++i) use(plan.steps[static_cast<size_t>(i)], i);
    for (int32_t i = plan.hoisted; i < steps; ++i) share(plan.steps[static_cast<size_t>(i)], i);
  }

  int32_t leader(int32_t value) const {
    while (leader_[static_cast<size_t>(value)] != value) value = leader_[static_cast<size_t>(value)];
    return value;
  }
  int32_t first(int32_t root) const { return first_[static_cast<size_t>(root)]; }
  int32_t last(int32_t root) const { return last_[static_cast<size_t>(root)]; }
  int32_t output(int32_t root) const { return output_[static_cast<size_t>(root)]; }
  int32_t held(int32_t root) const { return held_[static_cast<size_t>(root)]; }

 private:
  template <class T>
  static typename std::vector<T>::reference at(std::vector<T>& list, int32_t i) {
    return list[static_cast<size_t>(i)];
  }
  int32_t rootOf(int32_t value) const { return plan_.values[static_cast<size_t>(value)].root; }
  bool isMade(int32_t root) const { return plan_.values[static_cast<size_t>(root)].origin == Origin::kMade; }

  void use(const StepSpec& s, int32_t i) {
    for (int j = 0; j < s.inputs; ++j) {
      if (s.in[j] >= 0) at(last_, rootOf(s.in[j])) = i;
    }
    for (int j = 0; j < s.outputs; ++j) {
      const int32_t root = rootOf(s.out[j]);
      if (at(first_, root) < 0) at(first_, root) = i;
      at(last_, root) = i;
    }
    if (s.kind == StepKind::kNew) {
      for (int j = 0; j < s.outputs; ++j) at(whole_, s.out[j]) = true;
    } else if (s.kind == StepKind::kView && std::strcmp(s.op->name, "reshapeView") == 0) {
      at(whole_, s.out[0]) = at(whole_, s.in[0]);
    }
  }

  // Whether an input that is needed for the last time can be written over by the result, element by element.
  void share(const StepSpec& s, int32_t i) {
    if (s.kind != StepKind::kNew || s.op->kind != OpKind::kMap) return;
    const View& out = instance_.shapeOf(s.out[0]);
    for (int j = 0; j < s.inputs; ++j) {
      if (s.in[j] < 0) continue;
      const int32_t root = rootOf(s.in[j]), group = leader(root);
      const View& in = instance_.shapeOf(s.in[j]);
      if (!isMade(root) || first(root) < plan_.hoisted || !at(whole_, s.in[j])) continue;
      if (last(group) != i || output(group) >= 0 || held(group) >= 0 || in.dtype != out.dtype || !in.sameShape(out)) continue;
      if (!readsAlike(s, j)) continue;
      at(leader_, s.out[0]) = group;
      at(last_, group) = std::max(last(group), last(s.out[0]));
      at(output_, group) = output(s.out[0]);
      at(held_, group) = held(s.out[0]);
      return;
    }
  }

  // Whether other inputs on the same storage are the same window.
  bool readsAlike(const StepSpec& s, int j) {
    for (int other = 0; other < s.inputs; ++other) {
      if (s.in[other] < 0 || leader(rootOf(s.in[other])) != leader(rootOf(s.in[j]))) continue;
      if (!at(whole_, s.in[other]) || !instance_.shapeOf(s.in[other]).sameShape(instance_.shapeOf(s.in[j]))) return false;
    }
    return true;
  }

  const PlanSpec& plan_;
  const Instance& instance_;
  std::vector<int32_t> leader_, first_, last_, output_, held_;
  std::vector<bool> whole_;  // the whole storage in order
};

bool isWhole(double x, double least, double most) { return x >= least && x <= most && x == std::floor(x); }

}  // namespace

std::unique_ptr<Instance> Instance::make(const PlanSpec& plan, int64_t batch) {
  std::unique_ptr<Instance> made(new Instance(plan, batch));
  if (!made->size(plan) || !made->argue(plan)) return nullptr;
  made->place(plan);
  return made;
}

bool Instance::size(const PlanSpec& plan) {
  for (size_t i = 0; i < plan.values.size(); ++i) {
    const ValueSpec& value = plan.values[i];
    View& shape = shapes_[i];
    shape.dtype = value.dtype;
    shape.rank = value.rank;
    double size = 1;
    for (int d = 0; d < value.rank; ++d) {
      const double extent = value.shape[d].at(batch_);
      if (!isWhole(extent, 0, kMostElements)) return false;
      shape.shape[d] = static_cast<int64_t>(extent);
      if (extent > 0) size *= extent;
    }
    if (size > kMostElements) return false;
    shape.setContiguousStrides();
  }
  return true;
}

bool Instance::argue(const PlanSpec& plan) {
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const StepSpec& s = plan.steps[i];
    StepArguments& given = arguments_[i];
    for (size_t j = 0; j < s.ints.size(); ++j) {
      const double x = s.ints[j].at(batch_);
      if (!isWhole(x, INT32_MIN, INT32_MAX)) return false;
      given.ints[j] = static_cast<int32_t>(x);
    }
    for (size_t j = 0; j < s.reals.size(); ++j) given.reals[j] = s.reals[j].at(batch_);
    for (int j = 0; j < s.inputs; ++j) {
      if (s.in[j] >= 0) continue;
      View number;
      number.dtype = s.numberType;
      number.data = reinterpret_cast<char*>(&given.numbers[j]);
      fillWith(number, s.number[j].at(batch_));
    }
  }
  return true;
}

void Instance::place(const PlanSpec& plan) {
  const Lives lives(plan, *this);
  std::vector<Buffer> buffers;
  std::vector<int32_t> owners;
  for (size_t i = 0; i < plan.values.size(); ++i) {
    const int32_t value = static_cast<int32_t>(i);
    if (plan.values[i].origin != Origin::kMade || plan.values[i].root != value || lives.leader(value) != value) continue;
    if (lives.first(value) < plan.hoisted) {
      const bool stays = lives.last(value) >= plan.hoisted || lives.output(value) >= 0;
      homes_[i].kind = stays ? Home::Kind::kHoisted : Home::Kind::kPassing;
    } else if (lives.output(value) >= 0) {
      homes_[i] = {Home::Kind::kOutput, lives.output(value), 0};
    } else if (lives.held(value) >= 0) {
      homes_[i] = {Home::Kind::kHeld, lives.held(value), 0};
    } else {
      const int64_t bytes = shapes_[i].size() * static_cast<int64_t>(sizeOf(shapes_[i].dtype));
      buffers.push_back({bytes, lives.first(value), lives.last(value), 0});
      owners.push_back(value);
    }
  }
  usesArena_ = !buffers.empty();
  for (const Buffer& b : buffers) isTooLarge_ = isTooLarge_ || b.bytes > kMostBytes;
  if (isTooLarge_) return;
  arenaBytes_ = layOut(buffers);
  leastBytes_ = latent::leastBytes(buffers);
  for (size_t i = 0; i < owners.size(); ++i) {
    homes_[static_cast<size_t>(owners[i])] = {Home::Kind::kArena, -1, buffers[i].offset};
  }
  for (size_t i = 0; i < plan.values.size(); ++i) {
    const int32_t value = static_cast<int32_t>(i);
    if (plan.values[i].root == value && lives.leader(value) != value) homes_[i] = homeOf(lives.leader(value));
    const Home::Kind kind = homes_[i].kind;
    if (kind == Home::Kind::kArena || kind == Home::Kind::kOutput || kind == Home::Kind::kHeld) placed_.push_back(value);
  }
}

}  // namespace latent
