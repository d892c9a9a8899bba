// The little that every test program needs: checks that count, and the seed.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace latent {
namespace test {

inline int& failures() {
  static int n = 0;
  return n;
}

inline int& checks() {
  static int n = 0;
  return n;
}

// Prints the first failures only: one broken kernel fails a sweep in thousands of places.
#define LATENT_CHECK(condition, ...)                                  \
  do {                                                                \
    ++latent::test::checks();                                         \
    if (!(condition) && ++latent::test::failures() <= 20) {           \
      std::printf("%s:%d: %s\n    ", __FILE__, __LINE__, #condition); \
      std::printf(__VA_ARGS__);                                       \
      std::printf("\n");                                              \
    }                                                                 \
  } while (0)

// The exit status of a test program. A program in which nothing was checked has failed.
inline int finish(const char* name) {
  std::printf("%s: %d checks, %d failed\n", name, checks(), failures());
  return failures() == 0 && checks() > 0 ? 0 : 1;
}

// For printf, which has no portable conversion for int64_t.
inline long long wide(int64_t n) { return static_cast<long long>(n); }

// Sets an environment variable for what runs in this process; null removes it.
inline void setVariable(const char* name, const char* value) {
#if defined(_WIN32)
  _putenv_s(name, value == nullptr ? "" : value);
#else
  if (value == nullptr) unsetenv(name);
  else setenv(name, value, 1);
#endif
}

inline bool fullSweep() {
  const char* text = std::getenv("LATENT_TEST_FULL");
  return text != nullptr && text[0] == '1';
}

// LATENT_TEST_THIN=n, where one sample in n is enough: on an emulated CPU a reference in long double takes minutes.
inline int64_t thinning() {
  const char* text = std::getenv("LATENT_TEST_THIN");
  if (text == nullptr) return 1;
  const long long n = std::strtoll(text, nullptr, 10);
  if (n < 1) {
    std::printf("LATENT_TEST_THIN takes a whole number from 1, but is '%s'\n", text);
    std::exit(1);
  }
  std::printf("LATENT_TEST_THIN=%lld: one sample in %lld is taken\n", n, n);
  return n;
}

// LATENT_TEST_SEED, or 1; printed, so that a run can be repeated.
inline uint64_t seed() {
  const char* text = std::getenv("LATENT_TEST_SEED");
  const uint64_t s = text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
  std::printf("LATENT_TEST_SEED=%llu\n", static_cast<unsigned long long>(s));
  return s;
}

}  // namespace test
}  // namespace latent
