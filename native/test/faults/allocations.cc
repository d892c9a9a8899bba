// Fails the memory requests of one shared library in turn. Loaded before all others by LD_PRELOAD, it takes the place of the C
// library's allocation functions in the whole process and refuses a request only where it comes from the watched library, by
// the address that the call returns to. `operator new` is part of the addon and asks malloc, so that it is seen as well.
//
// For Linux with the GNU C library, whose own functions have a second name each.
#include "allocations.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

// Where the watched library's code lies, and which of its requests fails. Read by every thread.
std::atomic<uintptr_t> begins{0}, ends{0};
std::atomic<bool> watching{false}, always{false};
std::atomic<int64_t> failing{0}, requests{0};

struct Search {
  const char* path;
  uintptr_t begins = UINTPTR_MAX, ends = 0;
};

int look(dl_phdr_info* info, size_t, void* data) {
  Search& search = *static_cast<Search*>(data);
  char resolved[PATH_MAX];
  if (info->dlpi_name == nullptr || realpath(info->dlpi_name, resolved) == nullptr) return 0;
  if (std::strcmp(resolved, search.path) != 0) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) & part = info->dlpi_phdr[i];
    if (part.p_type != PT_LOAD) continue;
    const uintptr_t from = info->dlpi_addr + part.p_vaddr, to = from + part.p_memsz;
    if (from < search.begins) search.begins = from;
    if (to > search.ends) search.ends = to;
  }
  return 1;
}

// Whether the request that returns to `caller` fails.
bool fails(void* caller) {
  if (!watching.load(std::memory_order_acquire)) return false;
  const uintptr_t at = reinterpret_cast<uintptr_t>(caller);
  if (at < begins.load(std::memory_order_relaxed) || at >= ends.load(std::memory_order_relaxed)) return false;
  const int64_t number = requests.fetch_add(1) + 1;
  return number == failing || (always && number > failing);
}

#define LATENT_FAILS fails(__builtin_return_address(0))

}  // namespace

extern "C" {

void* malloc(size_t bytes) {
  if (!LATENT_FAILS) return __libc_malloc(bytes);
  errno = ENOMEM;
  return nullptr;
}

void* calloc(size_t count, size_t bytes) {
  if (!LATENT_FAILS) return __libc_calloc(count, bytes);
  errno = ENOMEM;
  return nullptr;
}

void* realloc(void* block, size_t bytes) {
  if (!LATENT_FAILS) return __libc_realloc(block, bytes);
  errno = ENOMEM;
  return nullptr;
}

void* aligned_alloc(size_t alignment, size_t bytes) {
  if (!LATENT_FAILS) return __libc_memalign(alignment, bytes);
  errno = ENOMEM;
  return nullptr;
}

int posix_memalign(void** block, size_t alignment, size_t bytes) {
  if (LATENT_FAILS) return ENOMEM;
  void* const made = __libc_memalign(alignment, bytes);
  if (made == nullptr) return ENOMEM;
  *block = made;
  return 0;
}

void* mmap(void* address, size_t length, int protection, int flags, int file, off_t offset) {
  if (LATENT_FAILS) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, length, protection, flags, file, offset));
}

void* mmap64(void* address, size_t length, int protection, int flags, int file, off64_t offset) {
  if (LATENT_FAILS) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, length, protection, flags, file, offset));
}

// A thread's stack is memory as well.
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const Create create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  return LATENT_FAILS ? EAGAIN : create(thread, attributes, start, argument);
}

bool latentFaultsBegin(const char* path, int64_t k, bool goesOn) {
  char resolved[PATH_MAX];
  Search search{resolved};
  if (realpath(path, resolved) == nullptr || dl_iterate_phdr(look, &search) == 0) return false;
  begins = search.begins;
  ends = search.ends;
  failing = k;
  always = goesOn;
  requests = 0;
  watching = true;
  return true;
}

int64_t latentFaultsEnd() {
  watching = false;
  return requests;
}

}  // extern "C"
