#include "pages.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace latent {
namespace test {

#if defined(_WIN32)
size_t pageSize() {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}
char* mapPages(size_t bytes) {
  return static_cast<char*>(VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
}
bool forbidPages(char* p, size_t bytes) {
  DWORD before;
  return VirtualProtect(p, bytes, PAGE_NOACCESS, &before) != 0;
}
void unmapPages(char* p, size_t) { VirtualFree(p, 0, MEM_RELEASE); }
#else
size_t pageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }
char* mapPages(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? nullptr : static_cast<char*>(p);
}
bool forbidPages(char* p, size_t bytes) { return mprotect(p, bytes, PROT_NONE) == 0; }
void unmapPages(char* p, size_t bytes) { munmap(p, bytes); }
#endif

}  // namespace test
}  // namespace latent
