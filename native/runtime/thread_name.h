// The name that the library's threads have in a debugger and in /proc.
#pragma once

#if defined(__linux__)
#include <pthread.h>
#endif

namespace latent {

// Names the calling thread.
inline void nameThread() noexcept {
#if defined(__linux__)
  pthread_setname_np(pthread_self(), "latent");
#endif
}

}  // namespace latent
