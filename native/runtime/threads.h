// One thread pool per process. Which thread does which part never shows in a result: parts are independent, and where
// a sum is split, the shape alone fixes the parts and their order.
#pragma once

#include <cstdint>
#include <type_traits>

namespace latent {
namespace threads {

int count();
void setCount(int n);

// Below this many multiply-adds the caller is done before another thread has begun.
constexpr double kSerialWork = 1 << 19;
// How many threads are worth that many multiply-adds. In double: broadcast sizes may multiply past any integer.
inline int forWork(double multiplyAdds, double least = kSerialWork) { return multiplyAdds < least ? 1 : count(); }

// Calls run(context, i) for i in [0, tasks), on the caller and on idle pool threads. While another thread uses the
// pool, or when there is one task or one thread, the caller does it all.
void runTasks(int64_t tasks, void (*run)(void* context, int64_t index), void* context);

// The most tasks that a job of this thread's has had since this was asked last: by it tests know that work was split.
int64_t takeMostTasks();

}  // namespace threads

template <class F>
inline void parallelFor(int64_t tasks, F&& body) {
  if (tasks == 1) {
    body(int64_t(0));
    return;
  }
  using Body = std::remove_reference_t<F>;
  auto run = [](void* context, int64_t index) { (*static_cast<Body*>(context))(index); };
  threads::runTasks(tasks, run, const_cast<std::remove_const_t<Body>*>(&body));
}

// Calls body(begin, end) for consecutive ranges of about `grain` that cover [0, count).
template <class F>
inline void parallelRanges(int64_t count, int64_t grain, F&& body) {
  if (count <= 0) return;
  const int64_t tasks = (count + grain - 1) / grain;
  parallelFor(tasks, [&](int64_t i) {
    const int64_t begin = i * grain, end = begin + grain < count ? begin + grain : count;
    body(begin, end);
  });
}

}  // namespace latent
