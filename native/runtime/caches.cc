#include "caches.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#if defined(_WIN32)
#include <windows.h>

#include <vector>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#else
#include <unistd.h>
#endif

namespace latent {
namespace {

constexpr Caches kDefault = {int64_t(32) << 10, int64_t(256) << 10, 0};

// "48K" or "2M"; 0 for anything else. `end` is what follows.
int64_t bytesOf(const char* text, const char*& end) {
  long long n = 0;
  char unit = 0;
  int length = 0;
  if (std::sscanf(text, "%6lld%c%n", &n, &unit, &length) != 2 || n <= 0) return 0;
  end = text + length;
  return unit == 'K' ? int64_t(n) << 10 : (unit == 'M' ? int64_t(n) << 20 : 0);
}

#if defined(_WIN32)
void readSystem(Caches& found) {
  DWORD bytes = 0;
  GetLogicalProcessorInformation(nullptr, &bytes);
  std::vector<SYSTEM_LOGICAL_PROCESSOR_INFORMATION> entries(bytes / sizeof(SYSTEM_LOGICAL_PROCESSOR_INFORMATION));
  if (entries.empty() || !GetLogicalProcessorInformation(entries.data(), &bytes)) return;
  for (const SYSTEM_LOGICAL_PROCESSOR_INFORMATION& entry : entries) {
    if (entry.Relationship != RelationCache || entry.Cache.Type == CacheInstruction) continue;
    int64_t* const levels[] = {&found.l1, &found.l2, &found.l3};
    const int level = entry.Cache.Level;
    if (level >= 1 && level <= 3) *levels[level - 1] = static_cast<int64_t>(entry.Cache.Size);
  }
}
#elif defined(__APPLE__)
// The fast cores' where there are two kinds, or the only one's.
int64_t sizeNamed(const char* fast, const char* only) {
  for (const char* name : {fast, only}) {
    int64_t value = 0;
    size_t length = sizeof value;
    if (sysctlbyname(name, &value, &length, nullptr, 0) == 0 && value > 0) return value;
  }
  return 0;
}

void readSystem(Caches& found) {
  found.l1 = sizeNamed("hw.perflevel0.l1dcachesize", "hw.l1dcachesize");
  found.l2 = sizeNamed("hw.perflevel0.l2cachesize", "hw.l2cachesize");
  found.l3 = sizeNamed("hw.perflevel0.l3cachesize", "hw.l3cachesize");
}
#else
int64_t bytesOf(const char* text) { return bytesOf(text, text); }

bool readWord(int index, const char* name, char (&word)[32]) {
  char path[96];
  std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
  std::FILE* file = std::fopen(path, "r");
  if (file == nullptr) return false;
  const bool read = std::fscanf(file, "%31s", word) == 1;
  std::fclose(file);
  return read;
}

void readFiles(Caches& found) {
  char level[32], type[32], size[32];
  for (int i = 0; readWord(i, "level", level); ++i) {
    if (!readWord(i, "type", type) || !readWord(i, "size", size) || std::strcmp(type, "Instruction") == 0) continue;
    if (std::strcmp(level, "1") == 0) found.l1 = bytesOf(size);
    if (std::strcmp(level, "2") == 0) found.l2 = bytesOf(size);
    if (std::strcmp(level, "3") == 0) found.l3 = bytesOf(size);
  }
}

void readSystem(Caches& found) {
  readFiles(found);
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  if (found.l1 <= 0) found.l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE);
  if (found.l2 <= 0) found.l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (found.l3 <= 0) found.l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
}
#endif

// "48K,2M,260M"; a third cache may be left out.
bool readText(const char* text, Caches& found) {
  Caches given = {0, 0, 0};
  given.l1 = bytesOf(text, text);
  if (given.l1 == 0 || *text != ',') return false;
  given.l2 = bytesOf(text + 1, text);
  if (given.l2 == 0) return false;
  if (*text == ',') {
    given.l3 = bytesOf(text + 1, text);
    if (given.l3 == 0) return false;
  }
  if (*text != '\0') return false;
  found = given;
  return true;
}

Caches read() {
  Caches found = {0, 0, 0};
  const char* given = std::getenv("LATENT_CACHES");
  if (given != nullptr && readText(given, found)) return found;
  readSystem(found);
  if (found.l1 <= 0) found.l1 = kDefault.l1;
  if (found.l2 <= 0) found.l2 = kDefault.l2;
  if (found.l3 < 0) found.l3 = kDefault.l3;
  return found;
}

Caches& known() {
  static Caches found = read();
  return found;
}

}  // namespace

const Caches& caches() { return known(); }

int64_t recentBytes() {
  constexpr int64_t kMost = int64_t(16) << 20;
  const int64_t half = caches().l3 / 2;
  return half < kMost ? half : kMost;
}

void setCaches(const Caches& sizes) { known() = sizes; }

}  // namespace latent
