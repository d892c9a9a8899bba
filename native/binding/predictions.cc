#include "predictions.h"

#include <algorithm>
#include <chrono>

#include "../runtime/jobs.h"
#include "session.h"

namespace latent {

class Prediction : public Job {
 public:
  Prediction(Predictions& owner, std::shared_ptr<BoundPlan> plan, int32_t number)
      : owner_(owner), plan_(std::move(plan)), number_(number) {}
  ~Prediction() override {
    for (Storage* storage : held_) {
      storage->dropReader();
      storage->release();
    }
    for (const View& v : outputs_) {
      if (v.storage != nullptr) v.storage->release();
    }
  }

  Status ready(Environment& environment, int64_t batch) {
    const Status status = plan_->ready(environment, batch, ready_);
    if (status != Status::kOk) return status;
    outputs_.resize(plan_->plan().spec().outputs.size());
    ready_.run.outputs = outputs_.data();
    ready_.run.stop = &stop_;
    const auto hold = [&](Storage* storage) {
      held_.push_back(storage);
      storage->retain();
      storage->addReader();
    };
    held_.reserve(ready_.inputs.size() + ready_.held.size());
    for (const View& v : ready_.inputs) hold(v.storage);
    for (const View& v : ready_.held) hold(v.storage);
    plan_->plan().forHoisted(hold);
    return Status::kOk;
  }

  void run() noexcept override {
    const auto start = std::chrono::steady_clock::now();
    try {
      status_ = ready_.execution->run(ready_.run);
    } catch (const std::bad_alloc&) {
      status_ = Status::kOutOfMemory;
    } catch (...) {
      status_ = Status::kFailed;
    }
    nanoseconds_ = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
    owner_.finished(*this);
  }

  void stop() { stop_.store(true, std::memory_order_relaxed); }
  // Whether it lacked memory for the first time.
  bool mayTryAgain() {
    const bool lacked = status_ == Status::kOutOfMemory && !again_;
    again_ = again_ || lacked;
    return lacked;
  }
  int32_t number() const { return number_; }
  Status status() const { return status_; }
  int32_t step() const { return ready_.run.step; }
  // How long the run took.
  double nanoseconds() const { return nanoseconds_; }
  BoundPlan& plan() { return *plan_; }
  // The outputs, each with one count, which go to the caller.
  std::vector<View> take() { return std::move(outputs_); }

  bool done = false;  // under the owner's mutex

 private:
  Predictions& owner_;
  std::shared_ptr<BoundPlan> plan_;
  int32_t number_;
  ReadyRun ready_;
  std::vector<View> outputs_;
  std::vector<Storage*> held_;
  std::atomic<bool> stop_{false};
  Status status_ = Status::kFailed;
  double nanoseconds_ = 0;
  bool again_ = false;
};

Predictions::Predictions(napi_env env, Session& session) : env_(env), session_(session) {}

Predictions::~Predictions() { close(); }

bool Predictions::open(napi_value callback) {
  napi_value name;
  if (napi_create_string_utf8(env_, "latent.predict", NAPI_AUTO_LENGTH, &name) != napi_ok) return false;
  const auto call = [](napi_env env, napi_value function, void* context, void* data) {
    static_cast<Predictions*>(context)->complete(env, function, static_cast<Prediction*>(data));
  };
  if (napi_create_threadsafe_function(env_, callback, nullptr, name, 0, 1, nullptr, nullptr, this, call, &function_) !=
      napi_ok) {
    function_ = nullptr;
    return false;
  }
  napi_unref_threadsafe_function(env_, function_);
  // Hooks run last in, first out: this one before the function goes with the environment.
  napi_add_env_cleanup_hook(env_, [](void* p) { static_cast<Predictions*>(p)->close(); }, this);
  return true;
}

Status Predictions::begin(std::shared_ptr<BoundPlan> plan, int64_t batch, int32_t number) {
  std::unique_ptr<Prediction> made = std::make_unique<Prediction>(*this, std::move(plan), number);
  const Status status = made->ready(session_.environment(), batch);
  if (status != Status::kOk) return status;
  pending_.reserve(pending_.size() + 1);
  if (pending_.empty()) napi_ref_threadsafe_function(env_, function_);
  Prediction* const prediction = made.get();
  pending_.push_back(std::move(made));
  submit(*prediction);
  return Status::kOk;
}

void Predictions::submit(Prediction& prediction) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    prediction.done = false;
  }
  if (!jobs::submit(&prediction)) prediction.run();
}

void Predictions::stop(int32_t number) {
  for (const std::unique_ptr<Prediction>& prediction : pending_) {
    if (prediction->number() == number) prediction->stop();
  }
}

// On the thread that ran it: behind the lock the prediction may be gone.
void Predictions::finished(Prediction& prediction) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  prediction.done = true;
  if (!closed_) napi_call_threadsafe_function(function_, &prediction, napi_tsfn_nonblocking);
  ended_.notify_all();
}

void Predictions::forget(Prediction* prediction) {
  const auto found = std::find_if(pending_.begin(), pending_.end(), [&](const auto& p) { return p.get() == prediction; });
  if (found != pending_.end()) pending_.erase(found);
  if (pending_.empty()) napi_unref_threadsafe_function(env_, function_);
}

void Predictions::complete(napi_env env, napi_value callback, Prediction* prediction) {
  if (closed_ || env == nullptr) return;
  // Dead tensors are found on this thread alone.
  if (prediction->mayTryAgain()) {
    session_.environment().makeRoom();
    submit(*prediction);
    return;
  }
  Status status = prediction->status();
  const int32_t number = prediction->number(), step = prediction->step();
  const double nanoseconds = prediction->nanoseconds();
  if (status == Status::kOk) status = prediction->plan().hand(session_.environment(), prediction->take(), nullptr);
  forget(prediction);
  session_.ints()[kOpcode] = static_cast<int32_t>(status);
  session_.ints()[kOutputId] = step;
  session_.reals()[0] = nanoseconds;
  napi_value receiver, argument;
  if (napi_get_undefined(env, &receiver) == napi_ok && napi_create_int32(env, number, &argument) == napi_ok) {
    napi_call_function(env, receiver, callback, 1, &argument, nullptr);
  }
  session_.environment().tick();
}

void Predictions::close() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (closed_) return;
  closed_ = true;
  for (const std::unique_ptr<Prediction>& prediction : pending_) prediction->stop();
  lock.unlock();
  for (const std::unique_ptr<Prediction>& prediction : pending_) {
    if (jobs::withdraw(prediction.get())) prediction->done = true;
  }
  lock.lock();
  ended_.wait(lock, [&] { return std::all_of(pending_.begin(), pending_.end(), [](const auto& p) { return p->done; }); });
  lock.unlock();
  pending_.clear();
}

}  // namespace latent
