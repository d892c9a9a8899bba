// A plan as one load of the JavaScript layer holds it, with the register through which its runs are asked for: numbers of
// tensors in and out, so that a run is one call however many there are. See lib/native/plan-register.ts.
#pragma once

#include <node_api.h>

#include "../runtime/plan/plan.h"
#include "environment.h"

namespace latent {

class BoundPlan {
 public:
  // In the register: the inputs' numbers, those of what is held, the places in random streams, then the outputs' numbers.
  static size_t registerInts(const PlanSpec& spec) {
    return static_cast<size_t>(spec.inputs) + static_cast<size_t>(spec.held) +
           static_cast<size_t>(spec.draws) * kDrawInts + spec.outputs.size();
  }

  // `registerRef` keeps the buffer of `registerData`, and is the plan's from here on.
  BoundPlan(PlanSpec spec, int32_t* registerData, napi_env env, napi_ref registerRef)
      : plan_(static_cast<PlanSpec&&>(spec)), ints_(registerData), env_(env), registerRef_(registerRef) {}
  ~BoundPlan() { napi_delete_reference(env_, registerRef_); }
  BoundPlan(const BoundPlan&) = delete;
  BoundPlan& operator=(const BoundPlan&) = delete;

  Plan& plan() { return plan_; }

  // One run at a batch size. The first output belongs to `handle`, where there is one; the caller frees the others.
  Status run(Environment& environment, int64_t batch, napi_value handle, int32_t& failedStep);

 private:
  bool collect(Environment& environment);
  Status hand(Environment& environment, napi_value handle);

  Plan plan_;
  int32_t* ints_;
  napi_env env_;
  napi_ref registerRef_;
  std::vector<View> inputs_, held_, outputs_;  // of the run that is on
};

}  // namespace latent
