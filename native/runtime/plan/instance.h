// A plan for inputs of certain sizes: every size and argument known, every buffer given its place.
#pragma once

#include <memory>

#include "chain.h"
#include "forks.h"
#include "layout.h"
#include "spec.h"

namespace latent {

// Where a made value's storage is. What hoisted steps made stays, or passes where none but they read it; what is made
// and read within a chain is a block's at a time.
struct Location {
  enum class Kind : int8_t { kNone, kArena, kOutput, kHeld, kHoisted, kPassing, kLocal } kind = Kind::kNone;
  int32_t index = -1;  // for kOutput, kHeld and kLocal: which
  int64_t offset = 0;  // for kArena: bytes from its start
};

// The arguments of one step as an operation reads them.
struct StepArguments {
  int32_t ints[kIntArguments] = {0};
  double reals[kRealArguments] = {0};
  double numbers[kMaxInputs];
};

class Instance {
 public:
  // `numbers`: as many as the plan has. Null where they are no sizes or arguments. `forks`: those whose branches run side by
  // side.
  static std::unique_ptr<Instance> make(const PlanSpec& plan, const double* numbers, const std::vector<Fork>& forks);

  // Whether a value has more bytes than any machine: then no value has a place.
  bool isTooLarge() const { return isTooLarge_; }
  // Whether any value lies in the arena: one of no bytes as well.
  bool usesArena() const { return usesArena_; }
  int64_t arenaBytes() const { return arenaBytes_; }
  // A lower bound of the arena's size in any layout.
  int64_t leastBytes() const { return leastBytes_; }
  // A contiguous window of the value's sizes, without elements.
  const View& shapeOf(int32_t value) const { return shapes_[static_cast<size_t>(value)]; }
  const Location& locationOf(int32_t value) const { return locations_[static_cast<size_t>(value)]; }
  // The steps that run together, in order.
  const std::vector<Chain>& chains() const { return chains_; }
  const std::vector<Fork>& forks() const { return forks_; }
  // The made values that have a location in the arena, an output or what is held.
  const std::vector<int32_t>& placed() const { return placed_; }
  // The first step that makes a value which lies in what is held; after the last where none does.
  int32_t firstInHeld() const { return firstInHeld_; }
  const StepArguments& arguments(size_t step) const { return arguments_[step]; }

 private:
  explicit Instance(const PlanSpec& plan) {
    shapes_.resize(plan.values.size());
    locations_.resize(plan.values.size());
    arguments_.resize(plan.steps.size());
  }
  bool takeSizes(const PlanSpec& plan, const double* numbers);
  bool takeArguments(const PlanSpec& plan, const double* numbers);
  void place(const PlanSpec& plan);

  int64_t arenaBytes_ = 0, leastBytes_ = 0;
  bool usesArena_ = false, isTooLarge_ = false;
  int32_t firstInHeld_ = 0;
  std::vector<View> shapes_;
  std::vector<Location> locations_;
  std::vector<int32_t> placed_;
  std::vector<Chain> chains_;
  std::vector<Fork> forks_;
  std::vector<StepArguments> arguments_;
};

}  // namespace latent
