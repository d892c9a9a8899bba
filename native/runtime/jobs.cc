#include "jobs.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "lasting.h"
#include "memory.h"
#include "threads.h"

#if defined(__linux__)
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace latent {
namespace {

// How long a thread looks out for the next job before it sleeps.
constexpr std::chrono::microseconds kAwake{100};

// Has the system prefer the threads that wait for events to this one, where both could run.
void giveWay() noexcept {
#if defined(__linux__)
  constexpr int kNice = 5;
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNice);
#endif
}

}  // namespace

class JobQueue {
 public:
  bool submit(Job* job) noexcept {
    std::unique_lock<std::mutex> lock(mutex_);
    if (idle_ <= waiting_.load(std::memory_order_relaxed) && started_ < threads::count()) start();
    if (started_ == 0) return false;
    append(job);
    const bool wakes = sleepers_ > 0;
    lock.unlock();
    if (wakes) wake_.notify_one();
    return true;
  }

  bool withdraw(Job* job) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool waits = job->waits_;
    if (waits) takeOut(job);
    return waits;
  }

 private:
  void append(Job* job) noexcept {
    job->before_ = last_;
    job->next_ = nullptr;
    job->waits_ = true;
    (last_ == nullptr ? first_ : last_->next_) = job;
    last_ = job;
    waiting_.fetch_add(1, std::memory_order_release);
  }

  // From any place: whoever gives up need not wait for those before.
  void takeOut(Job* job) noexcept {
    (job->before_ == nullptr ? first_ : job->before_->next_) = job->next_;
    (job->next_ == nullptr ? last_ : job->next_->before_) = job->before_;
    job->waits_ = false;
    waiting_.fetch_sub(1, std::memory_order_relaxed);
  }

  void start() noexcept {
    try {
      std::thread(&JobQueue::serve, this).detach();
      ++started_;
    } catch (...) {
      // The threads there are do the work.
    }
  }

  void serve() noexcept {
    giveWay();
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      if (first_ == nullptr) rest(lock);
      Job* const job = first_;
      takeOut(job);
      lock.unlock();
      job->run();
      lock.lock();
    }
  }

  // Until there is a job: looks out for one at first, for waking a thread takes longer than a small prediction.
  void rest(std::unique_lock<std::mutex>& lock) noexcept {
    ++idle_;
    while (first_ == nullptr) {
      lock.unlock();
      const auto end = std::chrono::steady_clock::now() + kAwake;
      while (waiting_.load(std::memory_order_acquire) == 0 && std::chrono::steady_clock::now() < end) {
        std::this_thread::yield();
      }
      if (waiting_.load(std::memory_order_acquire) == 0) memory::releaseOwn();
      lock.lock();
      ++sleepers_;
      // Another thread may have been faster.
      if (waiting_.load(std::memory_order_relaxed) == 0) wake_.wait(lock, [&] { return first_ != nullptr; });
      --sleepers_;
    }
    --idle_;
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  Job *first_ = nullptr, *last_ = nullptr;
  std::atomic<int> waiting_{0};
  int idle_ = 0, sleepers_ = 0, started_ = 0;
};

namespace {

// Its threads are never joined: they may run while the process exits.
JobQueue& queue() {
  static Lasting<JobQueue> q;
  return *q;
}

}  // namespace

namespace jobs {

bool submit(Job* job) noexcept { return queue().submit(job); }
bool withdraw(Job* job) noexcept { return queue().withdraw(job); }

}  // namespace jobs
}  // namespace latent
