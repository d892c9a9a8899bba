// Buffers: 64-byte aligned, kept by size class after use (the last one freed comes back first, still in cache),
// counted, and refused past a limit before anything is touched. With what is live as much is kept as was live at once in the
// last seconds, and in any case as much as is live, or 128 MB.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace latent {

// Bytes and tensors of one JavaScript environment.
struct Account {
  std::atomic<int64_t> live{0};
  std::atomic<int64_t> peak{0};
  int64_t tensors = 0;  // of the environment's own thread

  void add(int64_t bytes) {
    const int64_t now = live.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    int64_t top = peak.load(std::memory_order_relaxed);
    while (now > top && !peak.compare_exchange_weak(top, now, std::memory_order_relaxed)) {}
  }
  void subtract(int64_t bytes) { live.fetch_sub(bytes, std::memory_order_relaxed); }
};

namespace memory {

// The bytes that a request really takes: the size class it is rounded up to, by at most an eighth.
size_t classBytes(size_t bytes);

// A block of classBytes(bytes), or null when the limit or the machine has no room. Contents are undefined.
void* take(size_t bytes) noexcept;
// Back to the pool; `bytes` as it was asked for.
void give(void* block, size_t bytes) noexcept;
// Returns every pooled block to the system, and those that the calling thread keeps for itself.
void trim() noexcept;
// To the pool what the calling thread keeps for itself: for threads that are about to sleep.
void releaseOwn() noexcept;

int64_t pooledBytes();
// Whether take() would meet a request of so many bytes, of more than 4 KB, from the pool.
bool isPooled(size_t bytes) noexcept;
int64_t limit();
// 0 restores the default: the smaller of the container's limit and the machine's memory.
void setLimit(int64_t bytes);

// The length of the periods: what was live at once in this one or the one before is kept for reuse. 0 restores the default of
// five seconds. For tests.
void setPeriod(int64_t milliseconds);

// The n-th request from now on is refused, and with `always` all that follow; 0 stops it. For tests of what a failing
// allocation leaves behind.
void refuseAfter(int64_t n, bool always);

}  // namespace memory

// A buffer for the length of one call.
class Scratch {
 public:
  explicit Scratch(size_t bytes) : bytes_(bytes), data_(memory::take(bytes)) {}
  ~Scratch() {
    if (data_ != nullptr) memory::give(data_, bytes_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  bool failed() const { return data_ == nullptr; }

 private:
  size_t bytes_;
  void* data_;
};

}  // namespace latent
