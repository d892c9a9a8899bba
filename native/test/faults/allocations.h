// The functions of allocations.cc in a process that has loaded it before all else.
#pragma once

#include <cstdint>

extern "C" {

// Watches the library of that file from here on: its k-th request for memory fails, and with `goesOn` each after it. False
// where no such library is loaded.
bool latentFaultsBegin(const char* path, int64_t k, bool goesOn);

// Nothing fails any more; answers how many requests there were.
int64_t latentFaultsEnd();
}
