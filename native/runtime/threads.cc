#include "threads.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "cpu.h"
#include "lasting.h"
#include "memory.h"
#include "thread_name.h"

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
// How long a thread looks for the next job before it sleeps: waking it costs tens of microseconds.
constexpr std::chrono::microseconds kAwake{50};

// Whether this thread is inside a task, whose own calls it does alone.
thread_local bool inTask = false;
thread_local int64_t mostTasks = 0;

class Pool {
 public:
  int count() {
    const int n = wanted_.load(std::memory_order_relaxed);
    if (n != 0) return n;
    int none = 0;
    wanted_.compare_exchange_strong(none, defaultThreads(), std::memory_order_relaxed);
    return wanted_.load(std::memory_order_relaxed);
  }

  void setCount(int n) { wanted_.store(n, std::memory_order_relaxed); }

  void run(int64_t tasks, void (*body)(void*, int64_t), void* context) {
    const int n = count();
    if (n == 1 || tasks <= 1 || inTask) return runAlone(tasks, body, context);
    // Each caller occupies a CPU itself: the pool's threads are for the CPUs that callers leave.
    const Caller caller(callers_);
    const int64_t spare = n - callers_.load(std::memory_order_relaxed), helpers = spare < tasks - 1 ? spare : tasks - 1;
    if (helpers < 1 || busy_.exchange(true, std::memory_order_acquire)) return runAlone(tasks, body, context);
    start(n - 1);
    body_ = body;
    context_ = context;
    tasks_ = tasks;
    helpers_.store(static_cast<int>(helpers), std::memory_order_relaxed);
    next_.store(0, std::memory_order_relaxed);
    const uint64_t number = (state_.load(std::memory_order_relaxed) >> kNumberShift) + 1;
    state_.store(number << kNumberShift | kOpen);
    wake(helpers);
    work();
    state_.fetch_and(~kOpen);
    awaitLeavers();
    busy_.store(false, std::memory_order_release);
  }

 private:
  class Caller {
   public:
    explicit Caller(std::atomic<int>& callers) : callers_(callers) { callers_.fetch_add(1, std::memory_order_relaxed); }
    ~Caller() { callers_.fetch_sub(1, std::memory_order_relaxed); }

   private:
    std::atomic<int>& callers_;
  };

  static void runAlone(int64_t tasks, void (*body)(void*, int64_t), void* context) {
    for (int64_t i = 0; i < tasks; ++i) body(context, i);
  }

  void start(int n) {
    while (started_ < n) {
      try {
        std::thread(&Pool::serve, this).detach();
      } catch (...) {
        return;  // the system gives no more threads: the ones there are, and the caller, do the work
      }
      ++started_;
    }
  }

  void wake(int64_t helpers) {
    const int sleepers = sleepers_.load();
    if (sleepers == 0) return;
    std::lock_guard<std::mutex> lock(sleep_);
    if (helpers >= sleepers) return wake_.notify_all();
    for (int64_t i = 0; i < helpers; ++i) wake_.notify_one();
  }

  void work() {
    inTask = true;
    for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) body_(context_, i);
    inTask = false;
  }

  // Until no thread is in the job any more. What is left to do is at most one task each.
  void awaitLeavers() {
    for (int spins = 0; (state_.load(std::memory_order_acquire) & kJoined) != 0; ++spins) {
      if (spins < kPatience) relax();
      else std::this_thread::yield();
    }
  }

  void serve() {
    nameThread();
    uint64_t seen = 0;
    for (;;) {
      uint64_t now = await(seen);
      seen = now >> kNumberShift;
      // The word may change under us: join the job of this number, or none.
      while ((now & kOpen) != 0 && now >> kNumberShift == seen) {
        if (static_cast<int64_t>(now & kJoined) >= helpers_.load(std::memory_order_relaxed)) break;
        if (state_.compare_exchange_weak(now, now + 1, std::memory_order_acquire)) {
          work();
          state_.fetch_sub(1, std::memory_order_release);
          break;
        }
      }
    }
  }

  // Returns the word once it announces a job other than `seen`.
  uint64_t await(uint64_t seen) {
    const auto end = std::chrono::steady_clock::now() + kAwake;
    do {
      for (int i = 0; i < kLooks; ++i) {
        const uint64_t now = state_.load(std::memory_order_acquire);
        if (now >> kNumberShift != seen) return now;
        relax();
      }
    } while (std::chrono::steady_clock::now() < end);
    memory::releaseOwn();
    std::unique_lock<std::mutex> lock(sleep_);
    sleepers_.fetch_add(1);
    wake_.wait(lock, [&] { return state_.load() >> kNumberShift != seen; });
    sleepers_.fetch_sub(1);
    return state_.load(std::memory_order_acquire);
  }

  static constexpr int kPatience = 2000;
  static constexpr int kLooks = 16;  // at the word, between two looks at the clock

  std::mutex sleep_;
  std::atomic<bool> busy_{false};
  std::condition_variable wake_;
  std::atomic<int> wanted_{0}, sleepers_{0}, callers_{0}, helpers_{0};
  std::atomic<uint64_t> state_{0};
  std::atomic<int64_t> next_{0};
  void (*body_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  int64_t tasks_ = 0;
  int started_ = 0;
};

// Its threads are never joined: they may run while the process exits.
Pool& pool() {
  static Lasting<Pool> p;
  return *p;
}

}  // namespace

int count() { return pool().count(); }
void setCount(int n) { pool().setCount(n); }
void runTasks(int64_t tasks, void (*run)(void*, int64_t), void* context) {
  if (tasks > mostTasks) mostTasks = tasks;
  pool().run(tasks, run, context);
}
int64_t takeMostTasks() { return std::exchange(mostTasks, 0); }

}  // namespace threads
}  // namespace latent
