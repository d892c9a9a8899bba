// What the addon can time: something that runs again and again on the same data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "../../native/runtime/memory.h"

namespace latent_bench {

class Job {
 public:
  virtual ~Job() = default;
  virtual void run() = 0;
  // What a run left behind, as elements of the job's type; null when it leaves nothing to look at.
  virtual const void* result() const { return nullptr; }
  virtual size_t resultBytes() const { return 0; }
};

// A buffer from the library's own allocator: every contender's operands are aligned and in huge pages alike.
class Buffer {
 public:
  explicit Buffer(size_t bytes) : bytes_(bytes), data_(latent::memory::take(bytes)) {
    if (data_ == nullptr) throw std::bad_alloc();
  }
  ~Buffer() { latent::memory::give(data_, bytes_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_;
  void* data_;
};

}  // namespace latent_bench
