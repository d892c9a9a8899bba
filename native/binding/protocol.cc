#include "protocol.h"

#include "../runtime/plan/spec.h"
#include "session.h"

namespace latent {
namespace {

struct Named {
  const char* name;
  int number;
};

#define LATENT_ENTRY(Name, name, count) {#name, k##Name},
constexpr Named kInts32[] = {LATENT_INT_PLACES(LATENT_ENTRY)};
constexpr Named kDoubles[] = {LATENT_REAL_PLACES(LATENT_ENTRY)};
#undef LATENT_ENTRY

#define LATENT_ENTRY(Name, name) {#name, static_cast<int>(OutputKind::k##Name)},
constexpr Named kOutputKinds[] = {LATENT_OUTPUT_KINDS(LATENT_ENTRY)};
#undef LATENT_ENTRY
#define LATENT_ENTRY(Name, name) {#name, static_cast<int>(Status::k##Name)},
constexpr Named kStatuses[] = {LATENT_STATUSES(LATENT_ENTRY)};
#undef LATENT_ENTRY
#define LATENT_ENTRY(Name, name) {#name, static_cast<int>(DType::k##Name)},
constexpr Named kDTypes[] = {LATENT_DTYPES(LATENT_ENTRY)};
#undef LATENT_ENTRY
#define LATENT_ENTRY(Name, name) {#name, static_cast<int>(Rule::k##Name)},
constexpr Named kRules[] = {LATENT_RULES(LATENT_ENTRY)};
#undef LATENT_ENTRY
#define LATENT_ENTRY(Name, name) {#name, static_cast<int>(Origin::k##Name)},
constexpr Named kOrigins[] = {LATENT_ORIGINS(LATENT_ENTRY)};
#undef LATENT_ENTRY
#define LATENT_ENTRY(Name, name) {#name, static_cast<int>(StepKind::k##Name)},
constexpr Named kStepKinds[] = {LATENT_STEP_KINDS(LATENT_ENTRY)};
#undef LATENT_ENTRY

constexpr Named kLimits[] = {
    {"rank", kMaxRank},
    {"inputs", kMaxInputs},
    {"intArguments", kIntArguments},
    {"realArguments", kRealArguments},
    {"intPlaces", kIntPlaces},
    {"realPlaces", kRealPlaces},
    {"drawInts", kDrawInts},
    {"updateIds", static_cast<int>(kUpdateIds)},
    {"updateNumbers", static_cast<int>(kUpdateNumbers)},
};

template <size_t kCount>
bool addGroup(napi_env env, napi_value protocol, const char* name, const Named (&entries)[kCount]) {
  napi_value group, number;
  if (napi_create_object(env, &group) != napi_ok) return false;
  for (const Named& entry : entries) {
    if (napi_create_int32(env, entry.number, &number) != napi_ok) return false;
    if (napi_set_named_property(env, group, entry.name, number) != napi_ok) return false;
  }
  return napi_set_named_property(env, protocol, name, group) == napi_ok;
}

}  // namespace

bool addProtocol(napi_env env, napi_value exports) {
  napi_value protocol;
  return napi_create_object(env, &protocol) == napi_ok && addGroup(env, protocol, "ints", kInts32) &&
         addGroup(env, protocol, "reals", kDoubles) && addGroup(env, protocol, "outputKinds", kOutputKinds) &&
         addGroup(env, protocol, "statuses", kStatuses) && addGroup(env, protocol, "dtypes", kDTypes) &&
         addGroup(env, protocol, "rules", kRules) && addGroup(env, protocol, "origins", kOrigins) &&
         addGroup(env, protocol, "stepKinds", kStepKinds) && addGroup(env, protocol, "limits", kLimits) &&
         napi_set_named_property(env, exports, "protocol", protocol) == napi_ok;
}

}  // namespace latent
