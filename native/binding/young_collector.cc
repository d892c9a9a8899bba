#include "young_collector.h"

#include <mutex>

#include "../runtime/lasting.h"
#include "handle_scope.h"

namespace latent {
namespace {

// After calls that raised in turn, at the end of the stack or as a worker is terminated, twice as many requests are let pass
// each time, this often.
constexpr int kMostDoublings = 16;

// The flag that a search turns on and off again is the whole process's: one thread searches at a time, and none waits for it.
std::mutex& searching() {
  static Lasting<std::mutex> mutex;
  return *mutex;
}

}  // namespace

void YoungCollector::offer(napi_value find) {
  napi_valuetype type = napi_undefined;
  if (collect_ != nullptr || find == nullptr) return;
  if (napi_typeof(env_, find, &type) != napi_ok || type != napi_function) return;
  offers_.reserve(offers_.size() + 1);
  napi_ref kept;
  if (napi_create_reference(env_, find, 0, &kept) == napi_ok) offers_.push_back(kept);
}

// Null where it raised. The error is dropped, for the program did not ask for a collection.
napi_value YoungCollector::callOf(napi_value function) noexcept {
  napi_value global, answer;
  if (napi_get_global(env_, &global) == napi_ok &&
      napi_call_function(env_, global, function, 0, nullptr, &answer) == napi_ok) {
    failures_ = 0;
    return answer;
  }
  bool raised = false;
  napi_value error;
  if (napi_is_exception_pending(env_, &raised) == napi_ok && raised) napi_get_and_clear_last_exception(env_, &error);
  failures_ = failures_ < kMostDoublings ? failures_ + 1 : kMostDoublings;
  toPass_ = 1 << failures_;
  return nullptr;
}

void YoungCollector::find() noexcept {
  const std::unique_lock<std::mutex> lock(searching(), std::try_to_lock);
  if (!lock.owns_lock()) return;
  while (collect_ == nullptr && !offers_.empty()) {
    napi_value look = nullptr;
    if (napi_get_reference_value(env_, offers_.back(), &look) == napi_ok && look != nullptr) {
      const napi_value found = callOf(look);
      if (found == nullptr) return;
      napi_valuetype type = napi_undefined;
      if (napi_typeof(env_, found, &type) == napi_ok && type == napi_function)
        napi_create_reference(env_, found, 1, &collect_);
    }
    napi_delete_reference(env_, offers_.back());
    offers_.pop_back();
  }
  if (collect_ != nullptr) dropOffers();
}

// Not while an exception is pending, which belongs to the caller.
bool YoungCollector::mayCall() noexcept {
  if (toPass_ > 0) {
    --toPass_;
    return false;
  }
  bool raised = false;
  return napi_is_exception_pending(env_, &raised) == napi_ok && !raised;
}

bool YoungCollector::isThere() noexcept {
  if (collect_ != nullptr || offers_.empty() || !mayCall()) return collect_ != nullptr;
  HandleScope scope(env_);
  find();
  return collect_ != nullptr;
}

bool YoungCollector::run() noexcept {
  if (!isThere() || !mayCall()) return false;
  HandleScope scope(env_);
  napi_value collect = nullptr;
  return napi_get_reference_value(env_, collect_, &collect) == napi_ok && callOf(collect) != nullptr;
}

void YoungCollector::dropOffers() noexcept {
  for (const napi_ref one : offers_) napi_delete_reference(env_, one);
  offers_.clear();
}

void YoungCollector::giveUp() noexcept {
  dropOffers();
  if (collect_ != nullptr) napi_delete_reference(env_, collect_);
  collect_ = nullptr;
}

}  // namespace latent
