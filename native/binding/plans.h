// A plan as one load of the JavaScript layer holds it, with the register through which its runs are asked for: numbers of
// tensors in and out, so that a run is one call however many there are. See lib/native/plan-register.ts.
#pragma once

#include <node_api.h>

#include "../runtime/plan/plan.h"
#include "environment.h"

namespace latent {

// A run that is bound to its tensors, to be run on any thread.
struct ReadyRun {
  std::unique_ptr<Execution> execution;
  std::vector<View> inputs, held;
  std::vector<int32_t> draws;
  Run run;
};

class BoundPlan {
 public:
  // In the register: the inputs' numbers, those of what is held, the places in random streams, then the outputs' numbers.
  static size_t registerInts(const PlanSpec& spec) {
    return static_cast<size_t>(spec.inputs) + static_cast<size_t>(spec.held) + static_cast<size_t>(spec.draws) * kDrawInts +
           spec.outputs.size();
  }

  // `registerRef` keeps the buffer of `registerData`, and is the plan's from here on.
  BoundPlan(PlanSpec spec, int32_t* registerData, napi_env env, napi_ref registerRef);
  ~BoundPlan() { napi_delete_reference(env_, registerRef_); }
  BoundPlan(const BoundPlan&) = delete;
  BoundPlan& operator=(const BoundPlan&) = delete;

  Plan& plan() { return plan_; }

  // How a run ended; as Run has it.
  struct Ending {
    int32_t step = -1;
    bool placed = false, wrote = false;
  };
  // One run on inputs of such sizes. The first output belongs to `handle`, where there is one; the caller frees the others.
  Status run(Environment& environment, int32_t sizes, napi_value handle, Ending& ending);
  // Readies a run of a plan that writes to nothing outside, but for its outputs.
  Status ready(Environment& environment, int32_t sizes, ReadyRun& ready);
  // Gives outputs slots, with their counts: all or none. Their numbers go into the register.
  Status hand(Environment& environment, const std::vector<View>& outputs, napi_value handle) noexcept;

 private:
  Status collect(Environment& environment, std::vector<View>& inputs, std::vector<View>& held);
  template <class F>
  Status withRoom(Environment& environment, Run& run, const std::vector<View>& inputs, const std::vector<View>& held,
                  F&& body);

  Plan plan_;
  int32_t* ints_;
  napi_env env_;
  napi_ref registerRef_;
  std::vector<int32_t> written_;               // which of the held are written to
  std::vector<View> inputs_, held_, outputs_;  // of the run that is on
};

}  // namespace latent
