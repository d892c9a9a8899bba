// A stretch of elements, cut where the rows that it goes through end.
#pragma once

#include <cstdint>

namespace latent {

// Calls body(row, at, count, done) for each row of `length` elements that [begin, begin + total) goes through: `count`
// elements from the row's `at` on, after `done` of the stretch.
template <class F>
inline void forPieces(int64_t length, int64_t begin, int64_t total, F&& body) {
  int64_t row = begin / length, at = begin % length;
  for (int64_t done = 0; done < total; ++row, at = 0) {
    const int64_t count = length - at < total - done ? length - at : total - done;
    body(row, at, count, done);
    done += count;
  }
}

}  // namespace latent
