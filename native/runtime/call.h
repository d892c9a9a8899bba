// One tensor operation, as the binding hands it over: inputs, output and plain numbers; no JavaScript.
#pragma once

#include "status.h"
#include "storage.h"

namespace latent {

constexpr int kMaxInputs = 8;

struct Call {
  int inputs = 0;
  View in[kMaxInputs];
  View out;
  const int32_t* ints = nullptr;    // kIntArguments of them
  const double* reals = nullptr;    // kRealArguments of them
};

constexpr int kIntArguments = 24;
constexpr int kRealArguments = 24;

enum class OpKind {
  kFill,  // writes every element of `out`, which has the shape and dtype that the caller asked for
  kView   // sets `out` to a window onto in[0]'s storage, after checking that it lies inside
};

struct OpEntry {
  const char* name;
  OpKind kind;
  int minInputs, maxInputs;
  Status (*run)(Call& call);
};

struct OpList {
  const OpEntry* entries;
  int count;
};

}  // namespace latent
