// How elementwise operations write what they compute.
#pragma once

#include <initializer_list>

#include "../caches.h"
#include "../cpu.h"
#include "../storage.h"
#include "pieces.h"
#include "strided.h"

namespace latent {

// Which takes longer, the way of the elements to and from memory or the function of them.
enum class Pace { kOfMemory, kOfFunction };

// Of functions of rows: short ones take longer than memory does.
inline Pace paceOfRows(int64_t length) { return length < 128 ? Pace::kOfFunction : Pace::kOfMemory; }

// A contiguous output of floats, written in rows from any thread.
//
// New tensors are handed out in turn until a collection tells which are dead, so a large one is in no cache when it is
// written, and a plain store would first read it in. From half the second cache on, results are computed in a buffer
// and streamed from there. A slow function hides that reading, and is streamed from four second caches on alone. What takes
// the place of something used shortly before is in a cache, where whoever reads it next finds it: it is written plainly.
template <class T>
class Output {
 public:
  static constexpr int64_t kBuffer = 1024;

  Output(const View& out, std::initializer_list<const View*> inputs, Pace pace = Pace::kOfMemory)
      : data_(out.as<T>()), streams_(bytesOf(out) >= leastStreamed(pace)) {
    int64_t used = bytesOf(out);
    for (const View* input : inputs) {
      streams_ = streams_ && input->data != out.data;
      used += bytesOf(*input);
    }
    // An operation whose operands together exceed the cache evicts its own output before anyone reads it.
    if (out.storage != nullptr && out.storage->isWarm() && used <= recentBytes()) streams_ = false;
  }

  // Writes n elements from `at` on, made by make(i, count, to) in parts.
  template <class Make>
  void write(int64_t at, int64_t n, Make&& make) const {
    if (!streams_) return make(int64_t(0), n, data_ + at);
    alignas(64) T buffer[kBuffer];
    const auto stream = floatKernels<T>(kernels()).stream;
    for (int64_t i = 0; i < n; i += kBuffer) {
      const int64_t count = n - i < kBuffer ? n - i : kBuffer;
      make(i, count, buffer);
      stream(count, buffer, data_ + at + i);
    }
    kernels().endStreams();
  }

  // Writes all elements of a loop whose first operand this is, made by row(offsets, n, to).
  template <int kOperands, class Row>
  void writeLoop(const Loop<kOperands>& loop, Row&& row) const {
    inStretches(loop, [&](int64_t at, int64_t n, auto&& make) { write(at, n, make); }, row);
  }

  // Writes the rows [begin, end) of `length` elements in order: start(row) once before each, then make(row, at, count, to)
  // for its parts.
  template <class Start, class Make>
  void writeRows(int64_t begin, int64_t end, int64_t length, Start&& start, Make&& make) const {
    const int64_t from = begin * length;
    write(from, end * length - from, [&](int64_t i, int64_t n, T* to) {
      forPieces(length, from + i, n, [&](int64_t row, int64_t at, int64_t count, int64_t done) {
        if (at == 0) start(row);
        make(row, at, count, to + done);
      });
    });
  }

 private:
  static int64_t bytesOf(const View& view) { return view.size() * static_cast<int64_t>(sizeOf(view.dtype)); }
  static int64_t leastStreamed(Pace pace) { return pace == Pace::kOfFunction ? 4 * caches().l2 : caches().l2 / 2; }

  T* data_;
  bool streams_;
};

}  // namespace latent
