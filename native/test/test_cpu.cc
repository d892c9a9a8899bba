// Which kernels the runtime chooses, and how many threads, from the CPU and from the environment.
#include <cstdlib>
#include <cstring>

#include "check.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

void sets() {
  const char* widest = "";
  for (const char* name : kSetNames) {
    const KernelTable* table = kernelsNamed(name);
    if (table == nullptr) continue;
    LATENT_CHECK(std::strcmp(table->name, name) == 0, "the set named %s calls itself %s", name, table->name);
    widest = name;
  }
  for (const char* name : {"", "foo", "AVX2", "scalar "}) {
    LATENT_CHECK(kernelsNamed(name) == nullptr, "'%s' names a set", name);
  }
  LATENT_CHECK(kernelsNamed("scalar") != nullptr, "no scalar kernels");
#if defined(__aarch64__)
  LATENT_CHECK(kernelsNamed("neon") != nullptr && kernelsNamed("avx2") == nullptr, "the sets of another CPU");
#else
  LATENT_CHECK(kernelsNamed("neon") == nullptr, "the sets of another CPU");
#endif
  // A name that the CPU lacks is passed over, as none is.
  setVariable("LATENT_ISA", "foo");
  LATENT_CHECK(std::strcmp(kernels().name, widest) == 0, "%s is in use, %s is there", kernels().name, widest);
}

void threads() {
  setVariable("LATENT_NUM_THREADS", nullptr);
  const int usual = defaultThreads();
  LATENT_CHECK(usual >= 1, "%d threads", usual);
  const struct {
    const char* text;
    int want;
  } cases[] = {{"1", 1},
               {"7", 7},
               {"1024", 1024},
               {"0", usual},
               {"-1", usual},
               {"1025", usual},
               {"1000000", usual},
               {"", usual},
               {"text", usual},
               {"3x", usual},
               {"99999999999999999999", usual}};
  for (const auto& one : cases) {
    setVariable("LATENT_NUM_THREADS", one.text);
    LATENT_CHECK(defaultThreads() == one.want, "LATENT_NUM_THREADS='%s' gives %d threads", one.text, defaultThreads());
  }
}

}  // namespace

int main() {
  sets();
  threads();
  return finish("test_cpu");
}
