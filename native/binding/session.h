// One load of the JavaScript layer, and the register through which it calls: a buffer of its own in which arguments and
// results travel as numbers. See lib/native/register.ts for the other side.
#pragma once

#include <node_api.h>

#include <memory>
#include <vector>

#include "environment.h"

namespace latent {

// Places in the register, as 32-bit integers from its start, and how many there are.
// clang-format off
#define LATENT_INT_PLACES(X)                                                                                  \
  X(Opcode, opcode, 1)                  /* in */                                                              \
  X(Status, status, 1)                  /* out */                                                             \
  X(OutputKind, outputKind, 1)          /* see OutputKind */                                                  \
  X(InputCount, inputCount, 1)                                                                                \
  X(InputIds, inputIds, kMaxInputs)     /* 0 is a number given among the scalars */                           \
  X(OutputId, outputId, 1)              /* out; in for kExisting */                                           \
  X(OutputDType, outputDType, 1)                                                                              \
  X(OutputRank, outputRank, 1)                                                                                \
  X(ScalarDType, scalarDType, 1)                                                                              \
  X(Sizes, sizes, 1)                    /* in, of a plan's run: Run::sizes */                                 \
  X(Changed, changed, 1)                /* out, of a plan's run: 1 for Run::placed, and 2 for Run::wrote */   \
  X(Ints, ints, kIntArguments)                                                                                \
  X(MoreOutputs, moreOutputs, 1)        /* in, for kSeveral: how many outputs come after the first */         \
  X(MoreIds, moreIds, kMaxOutputs - 1)  /* out */                                                             \
  X(MoreRanks, moreRanks, kMaxOutputs - 1)
// clang-format on
// The same as doubles, after the integers.
// clang-format off
#define LATENT_REAL_PLACES(X)             \
  X(OutputShape, outputShape, kMaxRank)   \
  X(Reals, reals, kRealArguments)         \
  X(Scalars, scalars, kMaxInputs)         \
  X(MoreShapes, moreShapes, (kMaxOutputs - 1) * kMaxRank)
// clang-format on

#define LATENT_ENTRY(Name, name, count) k##Name, k##Name##Last = k##Name + (count) - 1,
enum IntPlace : int { LATENT_INT_PLACES(LATENT_ENTRY) kIntsUsed };
enum RealPlace : int { LATENT_REAL_PLACES(LATENT_ENTRY) kRealsUsed };
#undef LATENT_ENTRY
// An even number, so that the doubles are aligned.
constexpr int kIntPlaces = (kIntsUsed + 1) / 2 * 2, kRealPlaces = kRealsUsed;
constexpr size_t kRegisterBytes = kIntPlaces * 4 + kRealPlaces * 8;

// clang-format off
#define LATENT_OUTPUT_KINDS(X)                                                                        \
  X(Managed, managed)      /* a new slot that lives as long as the handle given */                    \
  X(Unmanaged, unmanaged)  /* a new slot that the caller will free */                                 \
  X(Existing, existing)    /* written into a tensor that exists */                                    \
  X(Several, several)      /* new slots that the caller will free, one for each output */
// clang-format on

enum class OutputKind : int32_t {
#define LATENT_ENTRY(Name, name) k##Name,
  LATENT_OUTPUT_KINDS(LATENT_ENTRY)
#undef LATENT_ENTRY
};

// Counts on storages for as long as their windows are in use.
template <int kRoom>
class Pin {
 public:
  Pin() = default;
  ~Pin() {
    for (int i = 0; i < count_; ++i) held_[i]->release();
  }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  void hold(Storage* storage) {
    storage->retain();
    take(storage);
  }
  // A count that is there already.
  void take(Storage* storage) { held_[count_++] = storage; }
  bool empty() const { return count_ == 0; }

 private:
  Storage* held_[kRoom];
  int count_ = 0;
};

class Predictions;

class Session {
 public:
  Session(Environment* environment, void* registerData);

  ~Session();

  Environment& environment() { return *environment_; }
  // Its predictions, once they were asked for.
  std::unique_ptr<Predictions>& predictions() { return predictions_; }
  int32_t* ints() { return ints_; }
  double* reals() { return reals_; }

  // Runs the operation in the register. `handle` is used for kManaged.
  Status run(napi_value handle);

 private:
  Status readInputs(Call& call);
  // The window of a new output of that shape, without storage.
  Status readOutput(int32_t rank, const double* shape, View& out) const;
  void hold(const Call& call, Pin<kMaxInputs>& inputs);
  void makeRoom(const Call& call, Pin<kMaxInputs>& inputs);
  Status allocate(const Call& call, Pin<kMaxInputs>& inputs, View& out);
  Status runOnNew(const OpEntry& op, Call& call, Pin<kMaxInputs>& inputs);
  // Takes over one count of the view's storage; 0 when there is no memory for the table.
  int32_t slotFor(const View& view) noexcept;
  Status perform(napi_value handle);
  Status runNew(const OpEntry& op, Call& call, bool manages, napi_value handle);
  Status runInto(const OpEntry& op, Call& call);
  Status runSeveral(const OpEntry& op, Call& call);

  Environment* environment_;
  int32_t* ints_;
  double* reals_;
  double scalars_[kMaxInputs];
  std::unique_ptr<Predictions> predictions_;
};

// All operations, in the order of their numbers.
const std::vector<const OpEntry*>& operations();

}  // namespace latent
