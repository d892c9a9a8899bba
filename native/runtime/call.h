// One tensor operation, as the binding hands it over: inputs, output and plain numbers; no JavaScript.
#pragma once

#include "status.h"
#include "storage.h"

namespace latent {

constexpr int kMaxInputs = 8;
constexpr int kMaxOutputs = 3;

struct Call {
  int inputs = 0;
  View in[kMaxInputs];
  int outputs = 1;
  View out;
  View more[kMaxOutputs - 1];     // the outputs after the first, of its dtype
  const int32_t* ints = nullptr;  // kIntArguments of them
  const double* reals = nullptr;  // kRealArguments of them

  View& output(int i) { return i == 0 ? out : more[i - 1]; }
};

constexpr int kIntArguments = 24;
constexpr int kRealArguments = 24;

enum class OpKind {
  kFill,  // writes every element of its outputs, which have the shapes and dtype that the caller asked for
  kMap,   // does so element by element: an input may be the output itself
  kPart,  // writes a part of its output, which exists
  kView   // sets `out` to a window onto in[0]'s storage, after checking that it lies inside
};

struct OpEntry {
  const char* name;
  OpKind kind;
  int minInputs, maxInputs;
  Status (*run)(Call& call);
  int maxOutputs = 1;
  // Whether it computes each image by itself: an element of the first dimension of its tensors of four dimensions and more.
  bool byImage = false;
};

struct OpList {
  const OpEntry* entries;
  int count;
};

}  // namespace latent
