// Memory of whole pages that a test may make inaccessible, on every system that the tests run on.
#pragma once

#include <cstddef>

namespace latent {
namespace test {

size_t pageSize();

// Null where there is none.
char* mapPages(size_t bytes);

// Whether every access to these pages is a fault from now on.
bool forbidPages(char* p, size_t bytes);

void unmapPages(char* p, size_t bytes);

}  // namespace test
}  // namespace latent
