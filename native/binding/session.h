// One load of the JavaScript layer, and the register through which it calls: a buffer of its own in which arguments and
// results travel as numbers. See lib/native/register.ts for the other side.
#pragma once

#include <node_api.h>

#include <memory>
#include <vector>

#include "environment.h"

namespace latent {

// Places in the register, as 32-bit integers from its start.
constexpr int kOpcode = 0;       // in; the status comes back in its place
constexpr int kOutputKind = 1;   // see OutputKind
constexpr int kInputCount = 2;
constexpr int kInputIds = 3;     // kMaxInputs of them; 0 is a number given among the scalars
constexpr int kOutputId = 11;    // out; in for kExisting
constexpr int kOutputDType = 12;
constexpr int kOutputRank = 13;
constexpr int kScalarDType = 14;
constexpr int kChanged = 15;     // out, of a plan's run: 1 for Run::placed, and 2 for Run::wrote
constexpr int kSizes = 1;        // in, of a plan's run: Run::sizes
constexpr int kInts = 16;
constexpr int kMoreOutputs = 40;  // in, for kSeveral: how many outputs come after the first
constexpr int kMoreIds = 41;      // out
constexpr int kMoreRanks = 43;
constexpr int kIntPlaces = 64;
// The same as doubles, after the integers.
constexpr int kOutputShape = 0;
constexpr int kReals = 8;
constexpr int kScalars = 32;
constexpr int kMoreShapes = 40;
constexpr int kRealPlaces = 64;
constexpr size_t kRegisterBytes = kIntPlaces * 4 + kRealPlaces * 8;

enum class OutputKind : int32_t {
  kManaged = 0,    // a new slot that lives as long as the handle given
  kUnmanaged = 1,  // a new slot that the caller will free
  kExisting = 2,   // written into a tensor that exists
  kSeveral = 3     // new slots that the caller will free, one for each output
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
