#include "status.h"

#ifdef LATENT_DEBUG
#include <cstdio>

namespace latent {
namespace {

thread_local char place[512];

}  // namespace

Status brokenContract(const char* file, int line) noexcept {
  std::snprintf(place, sizeof place, "%s:%d", file, line);
  return Status::kContract;
}

const char* lastBrokenContract() noexcept { return place[0] == 0 ? nullptr : place; }

}  // namespace latent
#endif
