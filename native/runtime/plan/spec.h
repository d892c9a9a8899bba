// A plan: the operations of a forward in order, as a list that runs without JavaScript. Sizes and arguments are numbers that
// come apart from it, a list for each combination of input sizes: one plan serves all sizes at which the forward takes the
// same steps.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "../call.h"

namespace latent {

// Where a value's elements come from: the caller, a tensor that outlives the plan's runs (a parameter, a constant), or a
// step.
#define LATENT_ORIGINS(X) X(Input, input) X(Held, held) X(Made, made)

#define LATENT_ENTRY(Name, name) k##Name,
enum class Origin : int32_t { LATENT_ORIGINS(LATENT_ENTRY) kCount };

struct ValueSpec {
  Origin origin = Origin::kMade;
  int32_t index = -1;  // among the inputs or what is held
  int32_t root = -1;   // the value whose storage it is a window onto; itself where it has its own
  DType dtype = DType::kFloat32;
  int32_t rank = 0;
  int32_t shapeAt = 0;  // where its sizes stand among the numbers
};

// A step writes new values, makes a window onto its input, or writes into a value that exists.
#define LATENT_STEP_KINDS(X) X(New, new) X(View, view) X(Into, into)

enum class StepKind : int32_t { LATENT_STEP_KINDS(LATENT_ENTRY) kCount };
#undef LATENT_ENTRY

struct StepSpec {
  const OpEntry* op = nullptr;
  StepKind kind = StepKind::kNew;
  int32_t inputs = 0, outputs = 0;
  int32_t in[kMaxInputs];  // values; -1 is a number
  int32_t out[kMaxOutputs];
  DType numberType = DType::kFloat32;
  int32_t ints = 0, reals = 0;  // how many arguments
  int32_t numbersAt = 0;        // where its numbers stand: those among the inputs, then the integers, then the reals
  int32_t numberCount() const { return static_cast<int32_t>(std::count(in, in + inputs, -1)) + ints + reals; }
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
  int32_t numbers = 0;  // how many numbers there are for each combination of input sizes

  // False where the description means nothing: the caller is never trusted.
  bool read(const std::vector<const OpEntry*>& operations, const int32_t* words, size_t wordCount);
  // Whether hoisted steps have the same numbers in both lists, as they must: what they make serves all sizes.
  bool hoistsAlike(const double* a, const double* b) const;
};

}  // namespace latent
