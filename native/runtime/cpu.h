// The properties of this machine: its instruction set, and how many threads the process may run.
#pragma once

#include "../kernels/kernels.h"

namespace latent {

// The kernels in use: the widest set that the CPU has, or the one that LATENT_ISA names. Chosen at the first call.
const KernelTable& kernels();

// The table of that name, or null when it is unknown or the CPU lacks it.
const KernelTable* kernelsNamed(const char* name);

// CPUs that the process may use: its affinity, cut by the container's quota; LATENT_NUM_THREADS overrides.
int defaultThreads();

}  // namespace latent
