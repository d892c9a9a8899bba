// The queue of jobs: each runs once, those that are withdrawn never, from several threads at once. Weights that are packed
// for products while several threads read them.
#include "runtime/jobs.h"

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "check.h"
#include "runtime/storage.h"
#include "runtime/threads.h"

using namespace latent;

namespace {

class Counted : public Job {
 public:
  void run() noexcept override {
    parallelFor(8, [&](int64_t) { sum_.fetch_add(1, std::memory_order_relaxed); });
    runs_.fetch_add(1, std::memory_order_release);
  }
  int runs() const { return runs_.load(std::memory_order_acquire); }
  int sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int> runs_{0}, sum_{0};
};

template <class F>
void waitFor(F&& done) {
  while (!done()) std::this_thread::yield();
}

class Blocking : public Job {
 public:
  void run() noexcept override {
    started = true;
    waitFor([&] { return released.load(); });
  }
  std::atomic<bool> started{false}, released{false};
};

// While the only thread is busy, so that the queue is as it was left. False where the queue is of no more use.
bool afterTheWithdrawn() {
  static Blocking busy;
  static Counted first, last, after;
  LATENT_CHECK(jobs::submit(&busy), "no thread for jobs");
  waitFor([&] { return busy.started.load(); });
  jobs::submit(&first);
  jobs::submit(&last);
  LATENT_CHECK(jobs::withdraw(&last), "a job that waits is not withdrawn");
  jobs::submit(&after);
  const bool isThere = jobs::withdraw(&after);
  LATENT_CHECK(isThere, "a job after one that was withdrawn is not in the queue");
  if (isThere) jobs::submit(&after);
  busy.released = true;
  if (!isThere) return false;
  waitFor([&] { return first.runs() > 0; });
  waitFor([&] { return after.runs() > 0; });
  LATENT_CHECK(last.runs() == 0, "a job that was withdrawn has run");
  return true;
}

void manyJobs() {
  std::atomic<int> wrong{0}, withdrawn{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        std::vector<Counted> jobs(20);
        std::vector<bool> taken(jobs.size(), false);
        for (Counted& job : jobs) wrong += !jobs::submit(&job);
        for (size_t i = 0; i < jobs.size(); i += 3) {
          taken[i] = jobs::withdraw(&jobs[i]);
          withdrawn += taken[i];
        }
        for (size_t i = 0; i < jobs.size(); ++i) {
          if (!taken[i]) waitFor([&] { return jobs[i].runs() > 0; });
          wrong += jobs[i].runs() != (taken[i] ? 0 : 1) || jobs[i].sum() != (taken[i] ? 0 : 8);
          wrong += jobs::withdraw(&jobs[i]);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  LATENT_CHECK(wrong == 0, "%d jobs were run otherwise than they were asked for", wrong.load());
  LATENT_CHECK(withdrawn > 0, "no job was withdrawn, so that this shows nothing of it");
}

// Holds the thread that runs it until it is let go.
class Holding : public Job {
 public:
  void run() noexcept override {
    runs_.store(true, std::memory_order_release);
    while (!free_.load(std::memory_order_acquire)) std::this_thread::yield();
    done_.store(true, std::memory_order_release);
  }
  bool runs() const { return runs_.load(std::memory_order_acquire); }
  bool done() const { return done_.load(std::memory_order_acquire); }
  void release() { free_.store(true, std::memory_order_release); }

 private:
  std::atomic<bool> runs_{false}, free_{false}, done_{false};
};

// So many jobs that whoever looked through those before each that is withdrawn would not come to an end. To be called while
// the queue has the only thread that it is to have.
void withdrawnFromALongQueue() {
  Holding holding;
  LATENT_CHECK(jobs::submit(&holding), "no thread");
  waitFor([&] { return holding.runs(); });
  std::vector<Counted> jobs(300000);
  int wrong = 0;
  for (Counted& job : jobs) wrong += !jobs::submit(&job);
  // From after, but for some, so that these stay linked.
  for (size_t i = jobs.size(); i-- > 0;) {
    if (i % 1000 != 7) wrong += !jobs::withdraw(&jobs[i]);
  }
  holding.release();
  for (size_t i = 7; i < jobs.size(); i += 1000) waitFor([&] { return jobs[i].runs() > 0; });
  waitFor([&] { return holding.done(); });
  for (size_t i = 0; i < jobs.size(); ++i) wrong += jobs[i].runs() != (i % 1000 == 7 ? 1 : 0);
  LATENT_CHECK(wrong == 0, "%d jobs of a long queue were run otherwise than they were asked for", wrong);
}

// Several threads read a weight in two forms while another one drops what is kept of it.
void packedByMany() {
  Account account;
  Storage* const weight = Storage::create(&account, 1000);
  LATENT_CHECK(weight != nullptr, "no storage");
  if (weight == nullptr) return;
  weight->keepPacked();
  std::atomic<int> torn{0}, got{0}, running{4};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 3000; ++round) {
        const int which = (t + round) % 2;
        const PackedForm form{PackedForm::Use::kProduct, 10 + which, 25, 25, 1, 0};
        const size_t bytes = 700 + 100 * static_cast<size_t>(which);
        const Packed packed =
            weight->packedFor(form, bytes, true, [&](void* room) { std::memset(room, 1 + which, bytes); });
        const char* data = static_cast<const char*>(packed.data());
        if (data == nullptr) continue;
        ++got;
        for (size_t i = 0; i < bytes; i += 53) torn += data[i] != 1 + which;
      }
      --running;
    });
  }
  while (running > 0) {
    weight->dropPacked();
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  LATENT_CHECK(torn == 0 && got > 0, "%d bytes of another form among %d readings", torn.load(), got.load());
  weight->release();
  LATENT_CHECK(account.live == 0, "%lld bytes stay counted", test::wide(account.live));
}

}  // namespace

int main() {
  threads::setCount(1);
  if (!afterTheWithdrawn()) return test::finish("test_jobs");
  for (const int threads : {1, 4}) {
    threads::setCount(threads);
    if (threads == 1) withdrawnFromALongQueue();
    manyJobs();
  }
  packedByMany();
  return test::finish("test_jobs");
}
