// Runs of plans beside the thread that asks for them. A prediction reads its inputs and what the plan holds as they were
// when it was asked for: a tensor that is written meanwhile gets a buffer of its own first (Environment::own).
#pragma once

#include <node_api.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "plans.h"

namespace latent {

class Prediction;

// The predictions of one session. Each calls the session's function when it is done, with its number; the status and how
// long it ran are in the register then, and the outputs' numbers are in the plan's. However many there are, each costs the
// same.
class Predictions {
 public:
  Predictions(napi_env env, Session& session);
  ~Predictions();
  Predictions(const Predictions&) = delete;
  Predictions& operator=(const Predictions&) = delete;

  // `callback` is what is called in the end. `resource`: the object that stands for them to async_hooks. False where the
  // system refuses.
  bool open(napi_value callback, napi_value resource);
  bool isOpen() const { return function_ != nullptr; }
  // Readies a run and puts it into the queue. Numbers are those of predictions that go on no more than once.
  Status begin(std::shared_ptr<BoundPlan> plan, int32_t sizes, int32_t number);
  // Ends a prediction. True where it had not begun: it is gone, and the function is not called for it; one that runs ends
  // before its next step, and calls.
  bool stop(int32_t number);

 private:
  friend class Prediction;

  void submit(Prediction& prediction) noexcept;
  void finished(Prediction& prediction) noexcept;
  Prediction* nextFinished() noexcept;
  void completeAll(napi_env env, napi_value callback);
  void callAgain() noexcept;
  bool complete(napi_env env, napi_value callback, Prediction& prediction);
  void forget(int32_t number);
  // No prediction runs any more after it, and none is called back.
  void close();

  napi_env env_;
  Session& session_;
  napi_threadsafe_function function_ = nullptr;
  std::unordered_map<int32_t, std::unique_ptr<Prediction>> pending_;
  std::mutex mutex_;
  std::condition_variable ended_;
  // Under the mutex: those that are in the queue or run, those that are done, in order, and whether the function was asked
  // to come for them.
  size_t submitted_ = 0;
  Prediction *firstDone_ = nullptr, *lastDone_ = nullptr;
  bool called_ = false;
  bool closed_ = false;
};

}  // namespace latent
