// The addon's functions that make plans and run them.
#pragma once

#include "arguments.h"

namespace latent {

// (handle, register, words, numbers): a plan as PlanSpec::read has it, which lives as long as the handle; its number goes
// into the register's output id.
Status createPlan(const Arguments& given);

// (id, batch): bytes of a plan's arena at a batch size, and the least that any arrangement of it would take, into the
// register's doubles.
Status planBytes(const Arguments& given);

// (callback, resource): what predictions call in the end, with their numbers, and what stands for them to async_hooks; once
// for each session.
Status openPredictions(const Arguments& given);

// (plan, batch, number): a run of a plan beside this thread.
Status predict(const Arguments& given);

// (number): ends a prediction. 1 in the register's output id where it had not begun, so that it calls no more; 0 where it ends
// before its next step.
Status stopPrediction(const Arguments& given);

// A run of a plan, whose first output belongs to `handle` where that is an object; the step that failed goes into the
// register's output id, -1 where none did, and into kChanged what of the tensors outside may have been written.
Status runPlanOf(napi_env env, Session& session, int32_t id, double batch, napi_value handle);

// The hot call of plans: one argument for the first output to belong to. The plan's number comes in the
// register's first place and the batch in the first of its doubles; there the status comes back, and in the output id the
// step that failed.
napi_value runPlan(napi_env env, napi_callback_info info);

}  // namespace latent
