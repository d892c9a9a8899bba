#include "memory.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "lasting.h"
#include "thread_name.h"

#if defined(_WIN32)
#include <malloc.h>
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace latent {
namespace memory {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kChecked = size_t(32) << 20;  // new blocks from here on are held against the machine's free memory
constexpr int64_t kPoolFloor = int64_t(128) << 20;
constexpr std::chrono::milliseconds kPeriod{5000};
constexpr size_t kLargest = size_t(1) << 53;
constexpr int kClasses = 64 * 8;

constexpr size_t kSmall = 512;

// Multiples of 64 up to 512, then eight classes to the doubling.
int classIndex(size_t bytes) {
  if (bytes <= kSmall) return bytes == 0 ? 0 : static_cast<int>((bytes - 1) / kAlignment);
  const size_t x = bytes - 1;
  const int top = 63 - __builtin_clzll(x);
  return (top - 8) * 8 + static_cast<int>((x >> (top - 3)) & 7);
}

size_t bytesOfClass(int index) {
  if (index < 8) return (static_cast<size_t>(index) + 1) * kAlignment;
  const int top = index / 8 + 8;
  return (size_t(9) + static_cast<size_t>(index % 8)) << (top - 3);
}

struct Pool {
  std::mutex mutex;
  std::vector<void*> free[kClasses];
  uint64_t lastUse[kClasses] = {};  // when a block of that class came or went, by the clock
  uint64_t clock = 0;
  int64_t live = 0, pooled = 0;
  int64_t limit = 0;
  int64_t refuseIn = 0;
  bool refuseAlways = false;
  std::atomic<bool> strict{false};  // while requests are counted or more is live than may be: none may pass by
  // The most that was live at once in the period that is on, and in the one before.
  int64_t peak = 0, peakBefore = 0;
  std::chrono::milliseconds period = kPeriod;
  bool ages = false, hasThread = false;  // whether periods end, and whether there is a thread that ends them
  std::condition_variable grown;

  // The bytes that are kept whatever was live before.
  int64_t floor() const { return std::max(live, kPoolFloor); }
  // The bytes that are kept: with what is live no more than was live at once in the last periods. A step, or a plan's run,
  // needs the same memory again, and pages that come anew from the system cost more than the work on them.
  int64_t room() const { return std::max(floor(), std::max(peak, peakBefore) - live); }
};

Pool& pool() {
  static Lasting<Pool> p;
  return *p;
}

int64_t readNumber(const char* path) {
  int64_t value = -1;
  if (std::FILE* file = std::fopen(path, "r")) {
    long long n = 0;
    if (std::fscanf(file, "%lld", &n) == 1) value = n;
    std::fclose(file);
  }
  return value;
}

int64_t machineBytes() {
#if defined(_WIN32)
  MEMORYSTATUSEX status;
  status.dwLength = sizeof status;
  return GlobalMemoryStatusEx(&status) ? static_cast<int64_t>(status.ullTotalPhys) : int64_t(1) << 40;
#else
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
#endif
}

int64_t defaultLimit() {
  int64_t bytes = machineBytes();
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const int64_t quota = readNumber(path);
    if (quota > 0 && quota < bytes) bytes = quota;
  }
  return bytes;
}

// Memory that the system could give without swapping or killing, or -1 where it doesn't say.
int64_t availableBytes() {
#if defined(__linux__)
  if (std::FILE* file = std::fopen("/proc/meminfo", "r")) {
    char line[128];
    long long kilobytes = -1;
    while (std::fgets(line, sizeof line, file) != nullptr) {
      if (std::sscanf(line, "MemAvailable: %lld kB", &kilobytes) == 1) break;
    }
    std::fclose(file);
    if (kilobytes >= 0) return kilobytes * 1024;
  }
#endif
  return -1;
}

#if !defined(_WIN32)
constexpr size_t kMapped = size_t(1) << 20;  // blocks from here on come from the system, and go back to it
constexpr size_t kHugePage = size_t(2) << 20;

char* mapped(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? nullptr : static_cast<char*>(p);
}

// From the start of a huge page on, and for huge pages where the system leaves that to us: products lose up to a sixth
// to the walks for small ones.
char* mappedToHugePages(size_t bytes) {
  char* whole = mapped(bytes + kHugePage);
  if (whole == nullptr) return mapped(bytes);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(whole) % kHugePage) % kHugePage;
  if (before > 0) munmap(whole, before);
  if (before < kHugePage) munmap(whole + before + bytes, kHugePage - before);
#if defined(MADV_HUGEPAGE)
  madvise(whole + before, bytes, MADV_HUGEPAGE);
#endif
  return whole + before;
}
#endif

void* systemTake(size_t bytes) {
#if defined(_WIN32)
  return _aligned_malloc(bytes, kAlignment);
#else
  if (bytes < kMapped) return std::aligned_alloc(kAlignment, bytes);
  return bytes < kHugePage ? mapped(bytes) : mappedToHugePages(bytes);
#endif
}

void systemGive(void* block, size_t bytes) {
#if defined(_WIN32)
  (void)bytes;
  _aligned_free(block);
#else
  if (bytes < kMapped) std::free(block);
  else munmap(block, bytes);
#endif
}

void trimLocked(Pool& p) {
  for (int i = 0; i < kClasses; ++i) {
    for (void* block : p.free[i]) systemGive(block, bytesOfClass(i));
    p.free[i].clear();
  }
  p.pooled = 0;
}

class Local;

// The threads that keep blocks, under the pool's lock.
std::vector<Local*>& locals() {
  static Lasting<std::vector<Local*>> all;
  return *all;
}

// Small blocks that a thread keeps for itself, where neither a lock nor another thread's cache is in the way. The pool
// counts them as live, and keptBytes() tells how many they are.
class Local {
 public:
  static constexpr size_t kLargest = 4096;
  static constexpr size_t kRoom = size_t(1) << 20;

  ~Local() {
    flush();
    room_ = 0;
    std::lock_guard<std::mutex> lock(pool().mutex);
    std::vector<Local*>& all = locals();
    all.erase(std::remove(all.begin(), all.end(), this), all.end());
  }

  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  void* take(int index, size_t size) {
    std::vector<void*>& list = free_[index];
    if (list.empty()) return nullptr;
    void* block = list.back();
    list.pop_back();
    count(bytes() - size);
    return block;
  }

  bool give(void* block, int index, size_t size) noexcept {
    if (bytes() + size > room_) return false;
    try {
      if (!known_) makeKnown();
      free_[index].push_back(block);
    } catch (...) {
      return false;
    }
    count(bytes() + size);
    return true;
  }

  // All to the pool.
  void flush() noexcept;

 private:
  static constexpr int kClassCount = 32;

  // Only its own thread writes it: no operation that reads and writes at once is needed.
  void count(size_t bytes) { bytes_.store(bytes, std::memory_order_relaxed); }
  void makeKnown() {
    std::lock_guard<std::mutex> lock(pool().mutex);
    locals().push_back(this);
    known_ = true;
  }

  std::atomic<size_t> bytes_{0};
  size_t room_ = kRoom;
  bool known_ = false;
  std::vector<void*> free_[kClassCount];
};
thread_local Local local;

// Gives blocks back to the system until so many bytes are pooled at most: those of the class that was in use longest ago
// first, for a program that goes on to other sizes would else have a pool of what it does not need.
void shrink(Pool& p, int64_t most) noexcept {
  while (p.pooled > most) {
    int oldest = -1;
    for (int i = 0; i < kClasses; ++i) {
      if (!p.free[i].empty() && (oldest < 0 || p.lastUse[i] < p.lastUse[oldest])) oldest = i;
    }
    if (oldest < 0) return;
    std::vector<void*>& list = p.free[oldest];
    for (; p.pooled > most && !list.empty(); list.pop_back()) {
      systemGive(list.back(), bytesOfClass(oldest));
      p.pooled -= static_cast<int64_t>(bytesOfClass(oldest));
    }
  }
}

void endPeriod(Pool& p) noexcept {
  p.peakBefore = p.peak;
  p.peak = p.live;
  shrink(p, p.room());
  p.ages = p.pooled > p.floor();
}

// Ends periods while more is pooled than is kept in any case: a program that does nothing gives no block back itself.
void endPeriods() {
  nameThread();
  Pool& p = pool();
  std::unique_lock<std::mutex> lock(p.mutex);
  for (;;) {
    p.grown.wait(lock, [&] { return p.ages; });
    const auto begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() < begin + p.period) p.grown.wait_until(lock, begin + p.period);
    endPeriod(p);
  }
}

void age(Pool& p) noexcept {
  p.ages = true;
  if (!p.hasThread) {
    try {
      std::thread(endPeriods).detach();
      p.hasThread = true;
    } catch (...) {
      // Nobody would give it back later.
      p.peak = p.peakBefore = 0;
      return endPeriod(p);
    }
  }
  p.grown.notify_one();
}

void giveToPool(Pool& p, void* block, int index, size_t size) noexcept {
  const int64_t returned = static_cast<int64_t>(size);
  p.live -= returned;
  const int64_t room = p.room();
  p.lastUse[index] = ++p.clock;
  if (returned <= room) {
    if (p.pooled + returned > room) shrink(p, room - returned);
    try {
      p.free[index].push_back(block);
      p.pooled += returned;
      if (!p.ages && p.pooled > p.floor()) age(p);
      return;
    } catch (...) {
      // No room to remember the block: it goes back to the system.
    }
  }
  systemGive(block, size);
}

void Local::flush() noexcept {
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  for (int i = 0; i < kClassCount; ++i) {
    for (void* block : free_[i]) giveToPool(p, block, i, bytesOfClass(i));
    free_[i].clear();
  }
  count(0);
}

// The bytes that all threads keep for themselves; under the pool's lock.
int64_t keptBytes() {
  int64_t kept = 0;
  for (const Local* one : locals()) kept += static_cast<int64_t>(one->bytes());
  return kept;
}

}  // namespace

void releaseOwn() noexcept {
  if (local.bytes() > 0) local.flush();
}

size_t classBytes(size_t bytes) { return bytesOfClass(classIndex(bytes)); }

void* take(size_t bytes) noexcept {
  if (bytes > kLargest) return nullptr;
  const int index = classIndex(bytes);
  const size_t size = bytesOfClass(index);
  Pool& p = pool();
  if (size <= Local::kLargest && !p.strict.load(std::memory_order_relaxed)) {
    if (void* block = local.take(index, size)) return block;
  }
  std::unique_lock<std::mutex> lock(p.mutex);
  if (p.refuseIn > 0 && --p.refuseIn == 0) {
    if (p.refuseAlways) p.refuseIn = 1;
    return nullptr;
  }
  if (p.limit == 0) p.limit = defaultLimit();
  p.strict = p.refuseIn > 0 || p.live > p.limit;
  const int64_t wanted = static_cast<int64_t>(size);
  if (p.live + wanted > p.limit && p.live - keptBytes() + wanted > p.limit) return nullptr;
  std::vector<void*>& list = p.free[index];
  void* block = nullptr;
  if (!list.empty()) {
    block = list.back();
    list.pop_back();
    p.pooled -= wanted;
    p.lastUse[index] = ++p.clock;
  } else {
    if (p.live + p.pooled + wanted > p.limit) trimLocked(p);
    if (size >= kChecked) {
      int64_t available = availableBytes();
      if (available >= 0 && wanted > available && p.pooled > 0) {
        trimLocked(p);
        available = availableBytes();
      }
      if (available >= 0 && wanted > available) return nullptr;
    }
    block = systemTake(size);
    if (block == nullptr) return nullptr;
  }
  p.live += wanted;
  if (p.live > p.peak) p.peak = p.live;
  return block;
}

void give(void* block, size_t bytes) noexcept {
  const int index = classIndex(bytes);
  const size_t size = bytesOfClass(index);
  if (size <= Local::kLargest && local.give(block, index, size)) return;
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  giveToPool(p, block, index, size);
}

void trim() noexcept {
  local.flush();
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  trimLocked(p);
  p.peak = p.peakBefore = p.live;
}

void setPeriod(int64_t milliseconds) {
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  p.period = milliseconds == 0 ? kPeriod : std::chrono::milliseconds(milliseconds);
  p.grown.notify_one();
}

int64_t pooledBytes() {
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  return p.pooled + keptBytes();
}

bool isPooled(size_t bytes) noexcept {
  if (bytes > kLargest) return false;
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  return !p.free[classIndex(bytes)].empty();
}

int64_t limit() {
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  if (p.limit == 0) p.limit = defaultLimit();
  return p.limit;
}

void setLimit(int64_t bytes) {
  local.flush();
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  p.limit = bytes == 0 ? defaultLimit() : bytes;
  p.strict = p.refuseIn > 0 || p.live > p.limit;
}

void refuseAfter(int64_t n, bool always) {
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  p.refuseIn = n;
  p.refuseAlways = always;
  p.strict = n > 0 || p.live > p.limit;
}

}  // namespace memory
}  // namespace latent
