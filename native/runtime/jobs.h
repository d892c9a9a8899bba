// Work that is done beside the threads that ask for it: a queue of one process, and threads of its own.
#pragma once

#include <cstdint>

namespace latent {

// Something to do once. `run` is called on one of the queue's threads; whoever made the job keeps it until then.
class Job {
 public:
  virtual ~Job() = default;
  virtual void run() noexcept = 0;

 private:
  friend class JobQueue;
  Job *before_ = nullptr, *next_ = nullptr;
  bool waits_ = false;
};

namespace jobs {

// Puts a job after those that wait. As many threads are begun as threads::count() says. False where the system gives no thread
// to run it on, and none runs yet.
bool submit(Job* job) noexcept;

// Takes a job back that has not begun; false where it has.
bool withdraw(Job* job) noexcept;

}  // namespace jobs
}  // namespace latent
