#include "plan_calls.h"

#include <memory>

#include "arguments.h"
#include "predictions.h"

namespace latent {

Status createPlan(const Arguments& given) {
  Session& session = sessionOf(given);
  Environment& environment = session.environment();
  DType wordType;
  char* wordData = nullptr;
  size_t wordCount = 0;
  if (!given.is(0, napi_object)) return LATENT_BROKEN;
  if (!typedArrayOf(given, 2, wordType, wordData, wordCount) || wordType != DType::kInt32) return LATENT_BROKEN;
  PlanSpec spec;
  if (!spec.read(operations(), reinterpret_cast<const int32_t*>(wordData), wordCount)) return LATENT_BROKEN;
  void* registerData = nullptr;
  if (!bufferOf(given, 1, BoundPlan::registerInts(spec) * sizeof(int32_t), registerData)) return LATENT_BROKEN;
  napi_ref kept;
  if (napi_create_reference(given.env(), given[1], 1, &kept) != napi_ok) return Status::kFailed;
  std::shared_ptr<BoundPlan> plan;
  try {
    plan = std::make_shared<BoundPlan>(std::move(spec), static_cast<int32_t*>(registerData), given.env(), kept);
  } catch (...) {
    napi_delete_reference(given.env(), kept);
    throw;
  }
  const int32_t id = environment.createPlan(given[0], std::move(plan));
  if (id == 0) return Status::kOutOfMemory;
  session.ints()[kOutputId] = id;
  return Status::kOk;
}

Status addSizes(const Arguments& given) {
  Session& session = sessionOf(given);
  const std::shared_ptr<BoundPlan> plan = session.environment().findPlan(intArgument(given, 0));
  DType type;
  char* data = nullptr;
  size_t count = 0;
  if (plan == nullptr || !typedArrayOf(given, 1, type, data, count) || type != DType::kFloat64) return LATENT_BROKEN;
  const double* const numbers = reinterpret_cast<const double*>(data);
  const int32_t sizes = plan->plan().addSizes(std::vector<double>(numbers, numbers + count));
  session.ints()[kOutputId] = sizes;
  return sizes == 0 ? LATENT_BROKEN : Status::kOk;
}

Status dropSizes(const Arguments& given) {
  const std::shared_ptr<BoundPlan> plan = sessionOf(given).environment().findPlan(intArgument(given, 0));
  if (plan == nullptr) return LATENT_BROKEN;
  plan->plan().dropSizes(intArgument(given, 1));
  return Status::kOk;
}

Status planBytes(const Arguments& given) {
  Session& session = sessionOf(given);
  const std::shared_ptr<BoundPlan> plan = session.environment().findPlan(intArgument(given, 0));
  if (plan == nullptr) return LATENT_BROKEN;
  const std::shared_ptr<const Instance> instance = plan->plan().instanceFor(intArgument(given, 1));
  if (instance == nullptr) return LATENT_BROKEN;
  session.reals()[0] = static_cast<double>(instance->arenaBytes());
  session.reals()[1] = static_cast<double>(instance->leastBytes());
  return Status::kOk;
}

Status openPredictions(const Arguments& given) {
  Session& session = sessionOf(given);
  if (!given.is(0, napi_function) || !given.is(1, napi_object)) return LATENT_BROKEN;
  if (session.predictions() != nullptr) return LATENT_BROKEN;
  std::unique_ptr<Predictions> made = std::make_unique<Predictions>(given.env(), session);
  if (!made->open(given[0], given[1])) return Status::kFailed;
  session.predictions() = std::move(made);
  return Status::kOk;
}

Status predict(const Arguments& given) {
  Session& session = sessionOf(given);
  std::shared_ptr<BoundPlan> plan = session.environment().findPlan(intArgument(given, 0));
  if (session.predictions() == nullptr || plan == nullptr) return LATENT_BROKEN;
  return session.predictions()->begin(std::move(plan), intArgument(given, 1), intArgument(given, 2));
}

Status stopPrediction(const Arguments& given) {
  Session& session = sessionOf(given);
  const bool isGone = session.predictions() != nullptr && session.predictions()->stop(intArgument(given, 0));
  session.ints()[kOutputId] = isGone ? 1 : 0;
  return Status::kOk;
}

Status runPlanOf(napi_env env, Session& session, int32_t id, int32_t sizes, napi_value handle) {
  Environment& environment = session.environment();
  session.ints()[kOutputId] = -1;
  session.ints()[kChanged] = 0;
  const std::shared_ptr<BoundPlan> plan = environment.findPlan(id);
  if (plan == nullptr) return LATENT_BROKEN;
  napi_valuetype type = napi_undefined;
  if (handle != nullptr) napi_typeof(env, handle, &type);
  BoundPlan::Ending ending;
  const napi_value owner = type == napi_object ? handle : nullptr;
  const Status status = plan->run(environment, sizes, owner, ending);
  session.ints()[kOutputId] = ending.step;
  session.ints()[kChanged] = (ending.placed ? 1 : 0) + (ending.wrote ? 2 : 0);
  return status;
}

napi_value runPlan(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value handle = nullptr;
  void* data = nullptr;
  if (napi_get_cb_info(env, info, &argc, &handle, nullptr, &data) != napi_ok) return nullptr;
  Session& session = *static_cast<Session*>(data);
  Status status = Status::kFailed;
  try {
    status = runPlanOf(env, session, session.ints()[kOpcode], session.ints()[kSizes], argc > 0 ? handle : nullptr);
  } catch (const std::bad_alloc&) {
    status = Status::kOutOfMemory;
  } catch (...) {
    status = Status::kFailed;
  }
  session.ints()[kStatus] = static_cast<int32_t>(status);
  session.environment().tick();
  return nullptr;
}

}  // namespace latent
