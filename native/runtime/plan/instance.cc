#include "instance.h"

#include <algorithm>
#include <cmath>

#include "../tensor/move.h"
#include "lifetimes.h"

namespace latent {
namespace {

constexpr double kMostElements = 9007199254740992.0;
// No machine has as much; and so many buffers of fewer bytes as a plan can have add up without overflow.
constexpr int64_t kMostBytes = int64_t(1) << 42;

bool isWhole(double x, double least, double most) { return x >= least && x <= most && x == std::floor(x); }

}  // namespace

std::unique_ptr<Instance> Instance::make(const PlanSpec& plan, const double* numbers, const std::vector<Fork>& forks) {
  std::unique_ptr<Instance> made(new Instance(plan));
  made->forks_ = forks;
  if (!made->takeSizes(plan, numbers) || !made->takeArguments(plan, numbers)) return nullptr;
  made->place(plan);
  return made;
}

bool Instance::takeSizes(const PlanSpec& plan, const double* numbers) {
  for (size_t i = 0; i < plan.values.size(); ++i) {
    const ValueSpec& value = plan.values[i];
    View& shape = shapes_[i];
    shape.dtype = value.dtype;
    shape.rank = value.rank;
    double size = 1;
    for (int d = 0; d < value.rank; ++d) {
      const double extent = numbers[value.shapeAt + d];
      if (!isWhole(extent, 0, kMostElements)) return false;
      shape.shape[d] = static_cast<int64_t>(extent);
      if (extent > 0) size *= extent;
    }
    if (size > kMostElements) return false;
    shape.setContiguousStrides();
  }
  return true;
}

bool Instance::takeArguments(const PlanSpec& plan, const double* numbers) {
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const StepSpec& s = plan.steps[i];
    StepArguments& given = arguments_[i];
    const double* next = numbers + s.numbersAt;
    for (int j = 0; j < s.inputs; ++j) {
      if (s.in[j] >= 0) continue;
      View number;
      number.dtype = s.numberType;
      number.data = reinterpret_cast<char*>(&given.numbers[j]);
      fillWith(number, *next++);
    }
    for (int j = 0; j < s.ints; ++j, ++next) {
      if (!isWhole(*next, INT32_MIN, INT32_MAX)) return false;
      given.ints[j] = static_cast<int32_t>(*next);
    }
    std::copy(next, next + s.reals, given.reals);
  }
  return true;
}

void Instance::place(const PlanSpec& plan) {
  const Lifetimes lifetimes(plan, shapes_, forks_);
  chains_ = lifetimes.chains();
  for (Chain& chain : chains_) {
    for (size_t i = 0; i < chain.locals.size(); ++i) {
      locations_[static_cast<size_t>(chain.locals[i])] = {Location::Kind::kLocal, static_cast<int32_t>(i), 0};
    }
  }
  std::vector<Buffer> buffers;
  std::vector<int32_t> owners;
  for (size_t i = 0; i < plan.values.size(); ++i) {
    const int32_t value = static_cast<int32_t>(i);
    if (plan.values[i].origin != Origin::kMade || plan.values[i].root != value || lifetimes.leader(value) != value)
      continue;
    if (locations_[i].kind == Location::Kind::kLocal) continue;
    if (lifetimes.first(value) < plan.hoisted) {
      const bool stays = lifetimes.last(value) >= plan.hoisted || lifetimes.output(value) >= 0;
      locations_[i].kind = stays ? Location::Kind::kHoisted : Location::Kind::kPassing;
    } else if (lifetimes.output(value) >= 0) {
      locations_[i] = {Location::Kind::kOutput, lifetimes.output(value), 0};
    } else if (lifetimes.held(value) >= 0) {
      locations_[i] = {Location::Kind::kHeld, lifetimes.held(value), 0};
    } else {
      const int64_t bytes = shapes_[i].size() * static_cast<int64_t>(sizeOf(shapes_[i].dtype));
      buffers.push_back(lifetimes.bufferOf(value, bytes));
      owners.push_back(value);
    }
  }
  usesArena_ = !buffers.empty();
  for (const Buffer& b : buffers) isTooLarge_ = isTooLarge_ || b.bytes > kMostBytes;
  if (isTooLarge_) return;
  arenaBytes_ = layOut(buffers);
  leastBytes_ = latent::leastBytes(buffers);
  for (size_t i = 0; i < owners.size(); ++i) {
    locations_[static_cast<size_t>(owners[i])] = {Location::Kind::kArena, -1, buffers[i].offset};
  }
  for (size_t i = 0; i < plan.values.size(); ++i) {
    const int32_t value = static_cast<int32_t>(i);
    if (plan.values[i].root == value && lifetimes.leader(value) != value)
      locations_[i] = locationOf(lifetimes.leader(value));
    const Location::Kind kind = locations_[i].kind;
    if (kind == Location::Kind::kArena || kind == Location::Kind::kOutput || kind == Location::Kind::kHeld)
      placed_.push_back(value);
  }
  const auto liesInHeld = [&](int32_t value) {
    return locationOf(plan.values[static_cast<size_t>(value)].root).kind == Location::Kind::kHeld;
  };
  const int32_t steps = static_cast<int32_t>(plan.steps.size());
  for (; firstInHeld_ < steps; ++firstInHeld_) {
    const StepSpec& s = plan.steps[static_cast<size_t>(firstInHeld_)];
    if (s.kind != StepKind::kView && std::any_of(s.out, s.out + s.outputs, liesInHeld)) break;
  }
}

}  // namespace latent
