// A plan: the operations of a forward in order, as a list that runs without JavaScript. Sizes and arguments are linear in
// one number, the batch, so that one plan serves every batch size.
#pragma once

#include <cstddef>
#include <vector>

#include "../call.h"

namespace latent {

// base + slope·batch.
struct Linear {
  double base = 0, slope = 0;
  // A number that does not depend on the batch is itself, -0 too.
  double at(int64_t batch) const { return slope == 0 ? base : base + slope * static_cast<double>(batch); }
};

// Where a value's elements come from: the caller, a tensor that outlives the plan's runs (a parameter, a constant), or a
// step.
enum class Origin : int32_t { kInput, kHeld, kMade, kCount };

struct ValueSpec {
  Origin origin = Origin::kMade;
  int32_t index = -1;  // among the inputs or what is held
  int32_t root = -1;   // the value whose storage it is a window onto; itself where it has its own
  DType dtype = DType::kFloat32;
  int32_t rank = 0;
  Linear shape[kMaxRank];
};

enum class StepKind : int32_t {
  kNew,   // writes new values
  kView,  // makes a window onto its input
  kInto,  // writes into a value that exists
  kCount
};

struct StepSpec {
  const OpEntry* op = nullptr;
  StepKind kind = StepKind::kNew;
  int32_t inputs = 0, outputs = 0;
  int32_t in[kMaxInputs];  // values; -1 is a number
  int32_t out[kMaxOutputs];
  Linear number[kMaxInputs];
  DType numberType = DType::kFloat32;
  std::vector<Linear> ints, reals;
  int32_t draw = -1;  // which of a run's places in random streams its first integers are
};

constexpr int kDrawInts = 6;

// A made value that lies in one of the held tensors, which nothing else in the plan reads or writes.
struct Placement {
  int32_t value, held;
};

struct PlanSpec {
  int32_t inputs = 0, held = 0, draws = 0;
  std::vector<ValueSpec> values;
  std::vector<StepSpec> steps;
  std::vector<int32_t> outputs;
  std::vector<Placement> placements;
  int32_t hoisted = 0;  // how many steps, from the first, read what is held alone, and run only when that has changed

  // False where the description means nothing: the caller is never trusted.
  bool read(const std::vector<const OpEntry*>& operations, const int32_t* words, size_t wordCount, const double* numbers,
            size_t numberCount);
};

}  // namespace latent
