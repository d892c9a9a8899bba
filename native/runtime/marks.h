// Rows of a table, each marked or not: a byte for each, 1 for those that are.
#pragma once

#include <cstdint>
#include <cstring>

namespace latent {

// Calls each(begin, end) for the runs of marked rows, in order.
template <class F>
void forMarked(const uint8_t* marks, int64_t rows, F&& each) {
  for (int64_t begin = 0; begin < rows;) {
    const void* found = std::memchr(marks + begin, 1, static_cast<size_t>(rows - begin));
    if (found == nullptr) return;
    begin = static_cast<const uint8_t*>(found) - marks;
    int64_t end = begin + 1;
    while (end < rows && marks[end] == 1) ++end;
    each(begin, end);
    begin = end;
  }
}

}  // namespace latent
