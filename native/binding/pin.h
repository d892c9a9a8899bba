// Keeps the library in the process until it ends.
#pragma once

namespace latent {

// Node unloads an addon with the last worker that used it, while the pool's threads still run its code. On Linux the linker
// marks the library instead (-z nodelete).
void pin();

}  // namespace latent
