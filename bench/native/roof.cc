#include "roof.h"

#include <atomic>
#include <cstring>
#include <stdexcept>

#include "../../native/runtime/cpu.h"
#include "../../native/runtime/threads.h"
#include "stream.h"

namespace latent_bench {
namespace {

constexpr int64_t kPeakRounds = 20000;

// The pool hands one task to each thread only while every task takes long enough for all of them to wake.
class PeakJob : public Job {
 public:
  explicit PeakJob(int threads) : threads_(threads) {}
  void run() override {
    latent::parallelFor(threads_, [this](int64_t) {
      double flops = 0;
      const double value = latent::kernels().fmaPeak(kPeakRounds, &flops);
      sink_.store(value, std::memory_order_relaxed);
    });
  }

 private:
  int threads_;
  std::atomic<double> sink_{0};
};

const StreamTable& table() {
#ifdef LATENT_BENCH_X86
  const std::string set = latent::kernels().name;
  if (set == "avx512") return *avx512Stream();
  if (set == "avx2") return *avx2Stream();
#endif
  return *scalarStream();
}

int64_t wholeGrains(size_t bytes, int arrays, int threads) {
  const int64_t grain = kStreamGrain * threads;
  const int64_t grains = static_cast<int64_t>(bytes / sizeof(float)) / arrays / grain;
  return (grains < 1 ? 1 : grains) * grain;
}

// Arrays begin at different places within a page: at the same one, loads would wait for stores that they only resemble.
constexpr int64_t kStagger = 336;
// A run moves so much at least, so that neither its call nor the threads' waking counts.
constexpr int64_t kLeastMoved = int64_t(1) << 20;

class StreamJob : public Job {
 public:
  StreamJob(int arrays, size_t bytes, int threads)
      : arrays_(arrays), threads_(threads), count_(wholeGrains(bytes, arrays, threads)),
        passes_(kLeastMoved / (count_ * arrays * static_cast<int64_t>(sizeof(float))) + 1),
        data_(moved() + arrays * kStagger * sizeof(float)) {
    std::memset(data_.as<char>(), 0, data_.bytes());
  }
  size_t moved() const { return static_cast<size_t>(count_) * arrays_ * sizeof(float); }
  int64_t passes() const { return passes_; }
  void run() override {
    latent::parallelFor(threads_, [this](int64_t i) {
      for (int64_t pass = 0; pass < passes_; ++pass) movePart(i);
    });
  }

 private:
  void movePart(int64_t i) {
    const int64_t part = count_ / threads_, next = count_ + kStagger;
    float* x = data_.as<float>() + i * part;
    if (arrays_ == 1) sink_.store(table().read(part, x), std::memory_order_relaxed);
    else if (arrays_ == 2) table().copy(part, x, x + next);
    else table().triad(part, x, x + next, x + 2 * next);
  }

  int arrays_, threads_;
  int64_t count_;   // floats of each array
  int64_t passes_;  // over all of it in one run
  Buffer data_;
  std::atomic<float> sink_{0};
};

}  // namespace

Peak fmaPeak(int threads) {
  double flops = 0;
  latent::kernels().fmaPeak(1, &flops);
  return {std::make_unique<PeakJob>(threads), flops * kPeakRounds * threads};
}

Stream stream(const std::string& kind, size_t bytes, int threads) {
  const int arrays = kind == "read" ? 1 : kind == "copy" ? 2 : kind == "triad" ? 3 : 0;
  if (arrays == 0) throw std::invalid_argument("a stream is 'read', 'copy' or 'triad', not '" + kind + "'");
  auto job = std::make_unique<StreamJob>(arrays, bytes, threads);
  const double moved = static_cast<double>(job->moved()) * static_cast<double>(job->passes());
  return {std::move(job), moved};
}

}  // namespace latent_bench
