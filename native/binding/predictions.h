// Runs of plans beside the thread that asks for them. A prediction reads its inputs and what the plan holds as they were
// when it was asked for: a tensor that is written meanwhile gets a buffer of its own first (Environment::own).
#pragma once

#include <node_api.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "plans.h"

namespace latent {

class Prediction;

// The predictions of one session. Each calls the session's function when it is done, with its number; the status and how
// long it ran are in the register then, and the outputs' numbers are in the plan's.
class Predictions {
 public:
  Predictions(napi_env env, Session& session);
  ~Predictions();
  Predictions(const Predictions&) = delete;
  Predictions& operator=(const Predictions&) = delete;

  // `callback` is what is called in the end. False where the system refuses.
  bool open(napi_value callback);
  bool isOpen() const { return function_ != nullptr; }
  // Readies a run and puts it into the queue.
  Status begin(std::shared_ptr<BoundPlan> plan, int64_t batch, int32_t number);
  // Has a prediction end before its next step.
  void stop(int32_t number);

 private:
  friend class Prediction;

  void submit(Prediction& prediction);
  void finished(Prediction& prediction) noexcept;
  void complete(napi_env env, napi_value callback, Prediction* prediction);
  void forget(Prediction* prediction);
  // No prediction runs any more behind it, and none is called back.
  void close();

  napi_env env_;
  Session& session_;
  napi_threadsafe_function function_ = nullptr;
  std::vector<std::unique_ptr<Prediction>> pending_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool closed_ = false;
};

}  // namespace latent
