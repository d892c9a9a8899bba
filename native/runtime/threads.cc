#include "threads.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "cpu.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace latent {
namespace threads {
namespace {

inline void relax() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// A job is announced in one word: its number, whether it is open, and how many pool threads are in it. A thread joins
// only while the job is open, so the caller never waits for a thread that slept through it.
constexpr uint64_t kOpen = uint64_t(1) << 16;
constexpr uint64_t kJoined = kOpen - 1;
constexpr int kNumberShift = 17;
constexpr int kSpins = 2000;  // a few tens of microseconds

class Pool {
 public:
  int count() {
    std::lock_guard<std::mutex> lock(settings_);
    return countLocked();
  }

  void setCount(int n) {
    std::lock_guard<std::mutex> lock(settings_);
    wanted_.store(n, std::memory_order_relaxed);
  }

  void run(int64_t tasks, void (*body)(void*, int64_t), void* context) {
    const int n = wanted_.load(std::memory_order_relaxed) == 0 ? count() : wanted_.load(std::memory_order_relaxed);
    // A call from inside a task finds the pool busy as well, and does its work alone.
    if (n == 1 || tasks <= 1 || busy_.exchange(true, std::memory_order_acquire)) {
      for (int64_t i = 0; i < tasks; ++i) body(context, i);
      return;
    }
    start(n - 1);
    body_ = body;
    context_ = context;
    tasks_ = tasks;
    helpers_ = n - 1;
    next_.store(0, std::memory_order_relaxed);
    const uint64_t number = (state_.load(std::memory_order_relaxed) >> kNumberShift) + 1;
    state_.store(number << kNumberShift | kOpen);
    if (sleepers_.load() > 0) {
      std::lock_guard<std::mutex> lock(sleep_);
      wake_.notify_all();
    }
    work();
    state_.fetch_and(~kOpen);
    for (int spins = 0; (state_.load(std::memory_order_acquire) & kJoined) != 0; ++spins) {
      if (spins < kSpins) relax();
      else std::this_thread::yield();
    }
    busy_.store(false, std::memory_order_release);
  }

 private:
  int countLocked() {
    if (wanted_.load(std::memory_order_relaxed) == 0) wanted_.store(defaultThreads(), std::memory_order_relaxed);
    return wanted_.load(std::memory_order_relaxed);
  }

  void start(int n) {
    while (static_cast<int>(started_) < n) {
      try {
        std::thread(&Pool::serve, this, started_).detach();
      } catch (...) {
        return;  // the system gives no more threads: the ones there are, and the caller, do the work
      }
      ++started_;
    }
  }

  void work() {
    for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) body_(context_, i);
  }

  void serve(int index) {
    uint64_t seen = 0;
    for (;;) {
      uint64_t now = await(seen);
      seen = now >> kNumberShift;
      // The word may change under us: join the job of this number, or none.
      while ((now & kOpen) != 0 && now >> kNumberShift == seen) {
        if (state_.compare_exchange_weak(now, now + 1, std::memory_order_acquire)) {
          if (index < helpers_) work();
          state_.fetch_sub(1, std::memory_order_release);
          break;
        }
      }
    }
  }

  // Returns the word once it announces a job other than `seen`.
  uint64_t await(uint64_t seen) {
    for (int spins = 0; spins < kSpins; ++spins) {
      const uint64_t now = state_.load(std::memory_order_acquire);
      if (now >> kNumberShift != seen) return now;
      relax();
    }
    std::unique_lock<std::mutex> lock(sleep_);
    sleepers_.fetch_add(1);
    wake_.wait(lock, [&] { return state_.load() >> kNumberShift != seen; });
    sleepers_.fetch_sub(1);
    return state_.load(std::memory_order_acquire);
  }

  std::mutex settings_, sleep_;
  std::atomic<bool> busy_{false};
  std::condition_variable wake_;
  std::atomic<int> wanted_{0}, sleepers_{0};
  std::atomic<uint64_t> state_{0};
  std::atomic<int64_t> next_{0};
  void (*body_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  int64_t tasks_ = 0;
  int helpers_ = 0;
  int started_ = 0;
};

// Never destroyed, and its threads never joined: they may run while the process exits.
Pool& pool() {
  static Pool* p = new Pool;
  return *p;
}

}  // namespace

int count() { return pool().count(); }
void setCount(int n) { pool().setCount(n); }
void runTasks(int64_t tasks, void (*run)(void*, int64_t), void* context) { pool().run(tasks, run, context); }

}  // namespace threads
}  // namespace latent
