#include "young_collector.h"

#include "handle_scope.h"

namespace latent {

void YoungCollector::offer(napi_value find) {
  napi_valuetype type = napi_undefined;
  if (find == nullptr || napi_typeof(env_, find, &type) != napi_ok || type != napi_function) return;
  offers_.reserve(offers_.size() + 1);
  napi_ref kept;
  if (napi_create_reference(env_, find, 0, &kept) == napi_ok) offers_.push_back(kept);
}

napi_value YoungCollector::answerOf(napi_ref function) noexcept {
  napi_value called = nullptr, global = nullptr, answer = nullptr;
  if (napi_get_reference_value(env_, function, &called) != napi_ok || called == nullptr) return nullptr;
  if (napi_get_global(env_, &global) != napi_ok) return nullptr;
  if (napi_call_function(env_, global, called, 0, nullptr, &answer) == napi_ok) return answer;
  // At the end of the stack, or as a worker is terminated. Nobody called for a collection, so nobody is to see it fail.
  bool raised = false;
  napi_value error;
  if (napi_is_exception_pending(env_, &raised) == napi_ok && raised) napi_get_and_clear_last_exception(env_, &error);
  return nullptr;
}

bool YoungCollector::isThere() noexcept {
  while (collect_ == nullptr && !offers_.empty()) {
    HandleScope scope(env_);
    const napi_ref last = offers_.back();
    offers_.pop_back();
    const napi_value found = answerOf(last);
    napi_valuetype type = napi_undefined;
    if (found != nullptr && napi_typeof(env_, found, &type) == napi_ok && type == napi_function)
      napi_create_reference(env_, found, 1, &collect_);
    napi_delete_reference(env_, last);
  }
  return collect_ != nullptr;
}

bool YoungCollector::run() noexcept {
  HandleScope scope(env_);
  return isThere() && answerOf(collect_) != nullptr;
}

void YoungCollector::giveUp() noexcept {
  for (const napi_ref one : offers_) napi_delete_reference(env_, one);
  offers_.clear();
  if (collect_ != nullptr) napi_delete_reference(env_, collect_);
  collect_ = nullptr;
}

}  // namespace latent
