#include "predictions.h"

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

  Status ready(Environment& environment, int32_t sizes) {
    const Status status = plan_->ready(environment, sizes, ready_);
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
    // The execution has them, and a plan that writes to nothing outside asks for no others.
    ready_.inputs = {};
    ready_.held = {};
    ready_.run.inputs = ready_.run.held = nullptr;
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

  Prediction* nextDone = nullptr;  // under the owner's mutex

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

bool Predictions::open(napi_value callback, napi_value resource) {
  napi_value name;
  if (napi_create_string_utf8(env_, "latent.predict", NAPI_AUTO_LENGTH, &name) != napi_ok) return false;
  const auto call = [](napi_env env, napi_value function, void* context, void*) {
    static_cast<Predictions*>(context)->completeAll(env, function);
  };
  if (napi_create_threadsafe_function(env_, callback, resource, name, 0, 1, nullptr, nullptr, this, call, &function_) !=
      napi_ok) {
    function_ = nullptr;
    return false;
  }
  napi_unref_threadsafe_function(env_, function_);
  // Hooks run last in, first out: this one before the function goes with the environment.
  napi_add_env_cleanup_hook(env_, [](void* p) { static_cast<Predictions*>(p)->close(); }, this);
  return true;
}

Status Predictions::begin(std::shared_ptr<BoundPlan> plan, int32_t sizes, int32_t number) {
  std::unique_ptr<Prediction> made = std::make_unique<Prediction>(*this, std::move(plan), number);
  const Status status = made->ready(session_.environment(), sizes);
  if (status != Status::kOk) return status;
  Prediction* const prediction = made.get();
  if (!pending_.emplace(number, std::move(made)).second) return LATENT_BROKEN;
  if (pending_.size() == 1) napi_ref_threadsafe_function(env_, function_);
  submit(*prediction);
  return Status::kOk;
}

void Predictions::submit(Prediction& prediction) noexcept {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++submitted_;
  }
  if (!jobs::submit(&prediction)) prediction.run();
}

bool Predictions::stop(int32_t number) {
  const auto found = pending_.find(number);
  if (found == pending_.end()) return false;
  Prediction& prediction = *found->second;
  prediction.stop();
  if (!jobs::withdraw(&prediction)) return false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    --submitted_;
  }
  forget(number);
  return true;
}

// On the thread that ran it: after the lock the prediction may be gone. The function is called once for all that are done by
// the time it comes, so that its own queue stays short.
void Predictions::finished(Prediction& prediction) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  prediction.nextDone = nullptr;
  (lastDone_ == nullptr ? firstDone_ : lastDone_->nextDone) = &prediction;
  lastDone_ = &prediction;
  --submitted_;
  if (!closed_ && !called_) called_ = napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking) == napi_ok;
  if (closed_ && submitted_ == 0) ended_.notify_all();
}

// Null after the last one: the function is to be called for the next.
Prediction* Predictions::nextFinished() noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  Prediction* const done = firstDone_;
  if (done == nullptr) {
    called_ = false;
    return nullptr;
  }
  firstDone_ = done->nextDone;
  if (firstDone_ == nullptr) lastDone_ = nullptr;
  return done;
}

void Predictions::forget(int32_t number) {
  pending_.erase(number);
  if (pending_.empty()) napi_unref_threadsafe_function(env_, function_);
}

void Predictions::completeAll(napi_env env, napi_value callback) {
  if (closed_ || env == nullptr) return;
  while (Prediction* const prediction = nextFinished()) {
    napi_handle_scope scope;
    const bool isOpen = napi_open_handle_scope(env, &scope) == napi_ok;
    const bool goesOn = complete(env, callback, *prediction);
    if (isOpen) napi_close_handle_scope(env, scope);
    if (!goesOn) return callAgain();
  }
}

void Predictions::callAgain() noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  called_ = firstDone_ != nullptr && napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking) == napi_ok;
}

// False where an exception waits, or the thread is about to end: JavaScript takes no more calls in this one.
bool Predictions::complete(napi_env env, napi_value callback, Prediction& prediction) {
  // Dead tensors are found on this thread alone.
  if (prediction.mayTryAgain()) {
    session_.environment().makeRoom();
    submit(prediction);
    return true;
  }
  Status status = prediction.status();
  const int32_t number = prediction.number(), step = prediction.step();
  const double nanoseconds = prediction.nanoseconds();
  if (status == Status::kOk) status = prediction.plan().hand(session_.environment(), prediction.take(), nullptr);
  forget(number);
  session_.ints()[kStatus] = static_cast<int32_t>(status);
  session_.ints()[kOutputId] = step;
  session_.reals()[0] = nanoseconds;
  napi_value receiver, argument;
  const bool called = napi_get_undefined(env, &receiver) == napi_ok &&
                      napi_create_int32(env, number, &argument) == napi_ok &&
                      napi_call_function(env, receiver, callback, 1, &argument, nullptr) == napi_ok;
  session_.environment().tick();
  return called;
}

void Predictions::close() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
    closed_ = true;
  }
  size_t withdrawn = 0;
  for (const auto& entry : pending_) {
    entry.second->stop();
    if (jobs::withdraw(entry.second.get())) ++withdrawn;
  }
  std::unique_lock<std::mutex> lock(mutex_);
  submitted_ -= withdrawn;
  ended_.wait(lock, [&] { return submitted_ == 0; });
  lock.unlock();
  pending_.clear();
}

}  // namespace latent
