// Memory between two inaccessible pages, and a fault handler that names the case that touched them.
#pragma once

#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

#include "pages.h"

namespace latent {
namespace test {

inline char* caseText() {
  static char text[256];
  return text;
}

// Names the case under way, enough to run it alone; shown by failing checks and by the fault handler.
__attribute__((format(printf, 1, 2))) inline void setCase(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(caseText(), 256, format, arguments);
  va_end(arguments);
}

inline void reportFaults() {
  auto handler = [](int) {
    static const char head[] = "memory fault in: ";
    if (write(1, head, sizeof head - 1) < 0 || write(1, caseText(), static_cast<unsigned>(std::strlen(caseText()))) < 0)
      _exit(3);
    if (write(1, "\n", 1) < 0) _exit(3);
    _exit(2);
  };
  std::signal(SIGSEGV, handler);
#if defined(SIGBUS)
  std::signal(SIGBUS, handler);
#endif
}

// Where in its pages a buffer lies.
enum class Place { kEnding, kBeginning };

class Guarded {
 public:
  explicit Guarded(size_t bytes) {
    const size_t page = pageSize();
    room_ = (bytes + page - 1) / page * page;
    mapped_ = room_ + 2 * page;
    base_ = mapPages(mapped_);
    if (base_ == nullptr || !forbidPages(base_, page) || !forbidPages(base_ + page + room_, page)) {
      std::perror("guard pages");
      std::exit(1);
    }
    first_ = base_ + page;
  }
  ~Guarded() { unmapPages(base_, mapped_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  // `count` elements that end `offset` elements before the guard page, or begin that far after one. Their bytes and
  // those beside them are set to the filler.
  template <class T>
  T* take(int64_t count, Place place, int64_t offset = 0) {
    used_ = static_cast<size_t>(count) * sizeof(T);
    const size_t away = static_cast<size_t>(offset) * sizeof(T);
    if (used_ + away > room_) {
      std::printf("guarded memory is too small: %zu of %zu bytes\n", used_ + away, room_);
      std::exit(1);
    }
    start_ = place == Place::kEnding ? first_ + room_ - away - used_ : first_ + away;
    char* low = start_ - first_ > kMargin ? start_ - kMargin : first_;
    char* high = first_ + room_ - (start_ + used_) > kMargin ? start_ + used_ + kMargin : first_ + room_;
    std::memset(low, kFiller, static_cast<size_t>(high - low));
    return reinterpret_cast<T*>(start_);
  }

  // Whether the bytes on both sides of the buffer taken last are as they were.
  bool untouchedOutside() const {
    for (const char* p = start_ - kMargin < first_ ? first_ : start_ - kMargin; p < start_; ++p) {
      if (*p != kFiller) return false;
    }
    const char* end = start_ + used_;
    for (const char* p = end; p < first_ + room_ && p < end + kMargin; ++p) {
      if (*p != kFiller) return false;
    }
    return true;
  }

 private:
  static constexpr ptrdiff_t kMargin = 128;
  static constexpr char kFiller = 0x5A;
  char* base_ = nullptr;
  char* first_ = nullptr;
  char* start_ = nullptr;
  size_t room_ = 0, mapped_ = 0, used_ = 0;
};

}  // namespace test
}  // namespace latent
