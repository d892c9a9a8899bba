// The thread pool: each index once, whoever calls, from however many threads. Also what ThreadSanitizer is run on.
#include "runtime/threads.h"

#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>
#include <thread>
#include <vector>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#endif

#include "check.h"

using namespace latent;

namespace {

// Runs one job; the number of indices that were not run exactly once. The writes inside a job are plain: the caller
// reads them after it, so the pool's own synchronisation has to order them.
int64_t wrongIndices(int64_t tasks) {
  std::vector<int> runs(static_cast<size_t>(tasks) + 1, 0);
  parallelFor(tasks, [&](int64_t i) { ++runs[static_cast<size_t>(i)]; });
  int64_t wrong = runs.back() != 0;
  for (int64_t i = 0; i < tasks; ++i) wrong += runs[static_cast<size_t>(i)] != 1;
  return wrong;
}

void everyIndexOnce() {
  for (int threads = 1; threads <= 8; ++threads) {
    threads::setCount(threads);
    LATENT_CHECK(threads::count() == threads, "count() is %d after setCount(%d)", threads::count(), threads);
    for (int64_t tasks : {0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 64, 100, 1000, 4097}) {
      for (int round = 0; round < 5; ++round) {
        const int64_t wrong = wrongIndices(tasks);
        LATENT_CHECK(wrong == 0, "%d threads, %lld tasks: %lld wrong", threads, static_cast<long long>(tasks),
                     static_cast<long long>(wrong));
      }
    }
  }
}

// Ranges cover [0, count) without a gap or an overlap.
void rangesCover() {
  threads::setCount(3);
  for (int64_t count : {0, 1, 2, 9, 10, 11, 100, 1001}) {
    for (int64_t grain : {1, 2, 10, 100, 5000}) {
      std::vector<int> runs(static_cast<size_t>(count) + 1, 0);
      std::atomic<bool> tooLong{false};
      parallelRanges(count, grain, [&](int64_t begin, int64_t end) {
        if (end - begin > grain || end <= begin) tooLong = true;
        for (int64_t i = begin; i < end; ++i) ++runs[static_cast<size_t>(i)];
      });
      bool good = !tooLong && runs.back() == 0;
      for (int64_t i = 0; i < count; ++i) good = good && runs[static_cast<size_t>(i)] == 1;
      LATENT_CHECK(good, "count %lld, grain %lld", static_cast<long long>(count), static_cast<long long>(grain));
    }
  }
}

// More than one thread takes part, as soon as the tasks wait for each other.
void threadsTakePart() {
  threads::setCount(3);
  std::atomic<int> inside{0}, most{0};
  for (int attempt = 0; attempt < 200 && most < 3; ++attempt) {
    parallelFor(int64_t(64), [&](int64_t) {
      const int now = ++inside;
      int seen = most;
      while (now > seen && !most.compare_exchange_weak(seen, now)) {}
      for (int spin = 0; spin < 100 && most < 3; ++spin) std::this_thread::yield();
      --inside;
    });
  }
  LATENT_CHECK(most == 3, "%d tasks at once with 3 threads", most.load());
}

// The caller also reads the writes that other threads make after its own last task.
void lateWrites() {
  threads::setCount(4);
  const std::thread::id caller = std::this_thread::get_id();
  int64_t wrong = 0;
  for (int round = 0; round < 300; ++round) {
    int written[16] = {};
    parallelFor(int64_t(16), [&](int64_t i) {
      if (std::this_thread::get_id() != caller) {
        for (int spin = 0; spin < 50; ++spin) std::this_thread::yield();
      }
      written[i] = 1;
    });
    for (const int one : written) wrong += one != 1;
  }
  LATENT_CHECK(wrong == 0, "%lld writes were not seen", static_cast<long long>(wrong));
}

void manyCallers() {
  threads::setCount(4);
  std::atomic<int64_t> wrong{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&wrong, t] {
      for (int64_t round = 0; round < 300; ++round) wrong += wrongIndices((round * 7 + t) % 50);
    });
  }
  for (std::thread& caller : callers) caller.join();
  LATENT_CHECK(wrong == 0, "%lld wrong", static_cast<long long>(wrong.load()));
}

void nestedCalls() {
  threads::setCount(4);
  for (int round = 0; round < 50; ++round) {
    std::atomic<int64_t> total{0}, wrong{0};
    parallelFor(int64_t(8), [&](int64_t i) {
      wrong += wrongIndices(i * 3);
      parallelFor(int64_t(5), [&](int64_t j) { parallelFor(int64_t(3), [&](int64_t k) { total += i + j + k; }); });
    });
    LATENT_CHECK(total == 8 * 5 * 3 * (7 + 4 + 2) / 2 && wrong == 0, "total %lld, %lld wrong",
                 static_cast<long long>(total.load()), static_cast<long long>(wrong.load()));
  }
}

void countChangesMeanwhile() {
  std::atomic<bool> done{false};
  std::atomic<int64_t> wrong{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 2; ++t) {
    callers.emplace_back([&] {
      for (int64_t round = 0; round < 1500; ++round) wrong += wrongIndices(round % 23);
      done = true;
    });
  }
  for (int n = 0; !done; ++n) threads::setCount(1 + n % 8);
  for (std::thread& caller : callers) caller.join();
  LATENT_CHECK(wrong == 0, "%lld wrong", static_cast<long long>(wrong.load()));
}

// Jobs that are over before a pool thread has noticed them, each with its own context: a thread that joined late
// would run a body whose context is gone.
void tinyJobs() {
  for (int threads : {2, 4}) {
    threads::setCount(threads);
    int64_t wrong = 0;
    for (int round = 0; round < 10000; ++round) {
      const int tasks = 2 + round % 3;
      auto runs = std::make_unique<int[]>(static_cast<size_t>(tasks));
      parallelFor(int64_t(tasks), [&](int64_t i) { runs[static_cast<size_t>(i)] += round; });
      for (int i = 0; i < tasks; ++i) wrong += runs[static_cast<size_t>(i)] != round;
    }
    LATENT_CHECK(wrong == 0, "%d threads: %lld wrong", threads, static_cast<long long>(wrong));
  }
}

// While another caller computes on its own thread, the pool leaves it its CPU.
void callersCountAsThreads() {
  threads::setCount(2);
  std::atomic<int> phase{0};
  std::thread other;
  std::atomic<int64_t> elsewhere{0};
  const auto me = std::this_thread::get_id();
  parallelFor(int64_t(2), [&](int64_t i) {
    if (i == 0) {
      // The pool is busy with this job: the other caller does its two tasks alone, and stays in the first.
      other = std::thread([&] {
        parallelFor(int64_t(2), [&](int64_t) {
          if (phase == 0) phase = 1;
          while (phase < 2) std::this_thread::yield();
        });
      });
      while (phase < 1) std::this_thread::yield();
    }
  });
  parallelFor(int64_t(50), [&](int64_t) {
    if (std::this_thread::get_id() != me) ++elsewhere;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  });
  LATENT_CHECK(elsewhere == 0, "%lld tasks went to a third thread with 2 wanted", static_cast<long long>(elsewhere.load()));
  phase = 2;
  other.join();
}

void jobsOfThePoolAlone() {
  threads::setCount(1);
  const auto me = std::this_thread::get_id();
  int64_t elsewhere = 0;
  parallelFor(int64_t(100), [&](int64_t) { elsewhere += std::this_thread::get_id() != me; });
  LATENT_CHECK(elsewhere == 0, "one thread: %lld tasks elsewhere", static_cast<long long>(elsewhere));
}

// CPU time of all threads of the process. On Windows, clock() returns elapsed time instead.
double cpuSeconds() {
#if defined(_WIN32)
  FILETIME begun, ended, kernel, user;
  GetProcessTimes(GetCurrentProcess(), &begun, &ended, &kernel, &user);
  const auto seconds = [](const FILETIME& t) {
    return (static_cast<double>(t.dwHighDateTime) * 4294967296.0 + t.dwLowDateTime) * 1e-7;
  };
  return seconds(kernel) + seconds(user);
#else
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
#endif
}

// Half a second without work costs next to none.
void idleThreadsSleep() {
  threads::setCount(4);
  wrongIndices(100);
  const double before = cpuSeconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const double used = cpuSeconds() - before;
  LATENT_CHECK(used < 0.1, "an idle pool used %.3f s of CPU time in half a second", used);
}

}  // namespace

int main() {
  everyIndexOnce();
  rangesCover();
  threadsTakePart();
  lateWrites();
  manyCallers();
  nestedCalls();
  countChangesMeanwhile();
  tinyJobs();
  callersCountAsThreads();
  jobsOfThePoolAlone();
  idleThreadsSleep();
  return test::finish("test_threads");
}
