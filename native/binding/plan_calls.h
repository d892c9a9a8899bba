// The addon's functions that make plans and run them.
#pragma once

#include "arguments.h"

namespace latent {

// (handle, register, words): a plan as PlanSpec::read has it, which lives as long as the handle; its number goes into the
// register's output id.
Status createPlan(const Arguments& given);

// (id, numbers): a plan is to serve inputs of other sizes, by their numbers (Plan::addSizes); what runs name these sizes by
// goes into the register's output id.
Status addSizes(const Arguments& given);

// (id, sizes): a plan serves such sizes no longer.
Status dropSizes(const Arguments& given);

// (id, sizes): bytes of a plan's arena for inputs of such sizes, and the least that any arrangement of it would take, into
// the register's doubles.
Status planBytes(const Arguments& given);

// (callback, resource): what predictions call in the end, with their numbers, and what stands for them to async_hooks; once
// for each session.
Status openPredictions(const Arguments& given);

// (plan, sizes, number): a run of a plan beside this thread.
Status predict(const Arguments& given);

// (number): ends a prediction. 1 in the register's output id where it had not begun, so that it calls no more; 0 where it ends
// before its next step.
Status stopPrediction(const Arguments& given);

// A run of a plan, whose first output belongs to `handle` where that is an object; the step that failed goes into the
// register's output id, -1 where none did, and into kChanged what of the tensors outside may have been written.
Status runPlanOf(napi_env env, Session& session, int32_t id, int32_t sizes, napi_value handle);

// The hot call of plans: one argument for the first output to belong to. The register has the plan's number in the place of
// the operation's and the number of the inputs' sizes in kSizes; the status comes back in the first place, and in the output
// id the step that failed.
napi_value runPlan(napi_env env, napi_callback_info info);

}  // namespace latent
