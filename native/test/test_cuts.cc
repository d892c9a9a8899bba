// Layers of real models, cut for many caches and shared out to many threads, on the instruction set named by the argument:
// every way of cutting ends, and gives the right values and the same bits.
#include <cstdlib>
#include <limits>
#include <vector>

#include "check.h"
#include "generator.h"
#include "guard.h"
#include "runtime/caches.h"
#include "runtime/conv/conv.h"
#include "runtime/gemm/gemm.h"
#include "runtime/threads.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

constexpr int64_t kK = 1 << 10, kM = 1 << 20;
constexpr Caches kCaches[] = {{32 * kK, 256 * kK, 0},     {32 * kK, 512 * kK, 16 * kM}, {48 * kK, 2 * kM, 260 * kM},
                              {32 * kK, 1 * kM, 32 * kM}, {48 * kK, 1280 * kK, 0},      {32 * kK, 256 * kK, 260 * kM}};
constexpr int kThreads[] = {1, 2, 3, 4, 16};

struct Side {
  int64_t in, taps, step, padding, gap;
  Line line() const { return {in, (in + 2 * padding - (taps - 1) * gap - 1) / step + 1, step, taps, -padding, gap}; }
};

// Filters and channels are the models'; pictures are smaller than theirs, but in full sweeps. `split`: whether one is enough
// work for several threads.
struct Layer {
  const char* name;
  int64_t images, groups, channels, filters;
  Side down, across;
  int64_t full;  // of a side of the model's picture
  bool split;
};

constexpr Side kRow{1, 1, 1, 0, 1};
constexpr Layer kLayers[] = {
    {"ViT-B/16, patches", 1, 1, 3, 768, {48, 16, 16, 0, 1}, {48, 16, 16, 0, 1}, 224, true},
    {"CLIP-B/32, patches", 1, 1, 3, 768, {64, 32, 32, 0, 1}, {64, 32, 32, 0, 1}, 224, true},
    {"MAE-H/14, patches", 1, 1, 3, 1280, {42, 14, 14, 0, 1}, {42, 14, 14, 0, 1}, 224, true},
    {"ConvNeXt, first", 2, 1, 3, 96, {56, 4, 4, 0, 1}, {56, 4, 4, 0, 1}, 224, true},
    {"ConvNeXt, depthwise", 2, 96, 1, 1, {28, 7, 1, 3, 1}, {28, 7, 1, 3, 1}, 56, true},
    {"RepLKNet, depthwise", 1, 8, 1, 1, {40, 31, 1, 15, 1}, {40, 31, 1, 15, 1}, 56, true},
    {"ResNet, first", 1, 1, 3, 64, {56, 7, 2, 3, 1}, {56, 7, 2, 3, 1}, 224, true},
    {"ResNet-50, one tap", 2, 1, 512, 2048, {7, 1, 1, 0, 1}, {7, 1, 1, 0, 1}, 7, true},
    {"ResNet-50, stride 2", 1, 1, 256, 256, {14, 3, 2, 1, 1}, {14, 3, 2, 1, 1}, 28, true},
    {"ResNeXt, 32 groups", 1, 32, 8, 8, {14, 3, 1, 1, 1}, {14, 3, 1, 1, 1}, 28, true},
    {"AlexNet, 5×5", 1, 1, 64, 192, {13, 5, 1, 2, 1}, {13, 5, 1, 2, 1}, 27, true},
    {"VGG, wide", 1, 1, 512, 512, {7, 3, 1, 1, 1}, {7, 3, 1, 1, 1}, 28, true},
    {"VGG, large picture", 1, 1, 64, 64, {20, 3, 1, 1, 1}, {20, 3, 1, 1, 1}, 224, true},
    {"one wide picture of one channel", 1, 1, 1, 3, {5, 3, 1, 1, 1}, {70'000, 3, 1, 1, 1}, 5, true},
    {"squeeze, one pixel", 8, 1, 1152, 48, {1, 1, 1, 0, 1}, {1, 1, 1, 0, 1}, 1, false},
    {"LeNet, second, batch 256", 256, 1, 6, 16, {14, 5, 1, 0, 1}, {14, 5, 1, 0, 1}, 14, true},
    {"DCGAN, last", 8, 1, 64, 3, {16, 4, 1, 2, 1}, {16, 4, 1, 2, 1}, 64, true},
    {"Whisper, first", 1, 1, 80, 384, kRow, {300, 3, 1, 1, 1}, 3000, true},
    {"wav2vec, first", 1, 1, 1, 512, kRow, {1600, 10, 5, 0, 1}, 16000, true},
    {"wav2vec, positions", 1, 16, 48, 48, kRow, {49, 128, 1, 64, 1}, 49, true},
    {"HiFi-GAN, first", 1, 1, 80, 512, kRow, {100, 7, 1, 3, 1}, 400, true},
    {"filter bank, 512 taps", 1, 1, 1, 514, kRow, {2000, 512, 160, 0, 1}, 16000, true},
    {"filter bank, 2048 taps", 1, 1, 1, 80, kRow, {5000, 2048, 512, 0, 1}, 48000, true},
    {"WaveNet, dilated", 2, 1, 64, 128, kRow, {600, 2, 1, 0, 512}, 2048, true},
    {"TCN, causal", 4, 1, 32, 32, kRow, {100, 7, 1, 24, 8}, 500, true},
    {"no channels in common", 1, 3, 1, 5, {9, 3, 1, 1, 1}, {9, 3, 1, 1, 1}, 9, false},
};

template <class T>
std::vector<T> drawn(Generator& random, int64_t count) {
  std::vector<T> values(static_cast<size_t>(count));
  for (T& value : values) value = static_cast<T>(random.uniform(-1, 1));
  return values;
}

template <class T>
bool sameBits(const std::vector<T>& x, const std::vector<T>& y) {
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0;
}

// Calls run(split) for each size of the caches and each number of threads; `wanted` counts where more than one task is due.
template <class Run>
void forCuts(bool split, Run run) {
  const bool slow = kernels().f32.gemmShape.lanes == 1;
  int turn = 0;
  for (const Caches& sizes : kCaches) {
    setCaches(sizes);
    // Every number of threads with one of the sizes, where they are fast, the others in turn.
    for (const int threads : kThreads) {
      const bool every = fullSweep() || (!slow && &sizes == kCaches + 2);
      if (!every && threads != kThreads[turn % 5]) continue;
      threads::setCount(threads);
      threads::takeMostTasks();
      run(sizes, threads);
      if (threads > 1 && split)
        LATENT_CHECK(threads::takeMostTasks() > 1, "%s: was not shared out to %d threads", caseText(), threads);
    }
    ++turn;
  }
}

struct Sum {
  double value = 0, magnitude = 0;
  void add(double term) {
    value += term;
    magnitude += std::fabs(term);
  }
  // A chain's error, and a little for the sums of chains.
  template <class T>
  bool near(T got) const {
    return std::fabs(static_cast<double>(got) - value) <=
           32 * static_cast<double>(std::numeric_limits<T>::epsilon()) * magnitude;
  }
};

template <class T>
class Convolution {
 public:
  Convolution(Generator& random, const Layer& layer, Line down, Line across)
      : g_{down, across, layer.images, layer.groups, layer.channels, layer.filters}, split_(layer.split),
        x_(drawn<T>(random, g_.images * g_.groups * g_.channels * down.in * across.in)),
        weights_(drawn<T>(random, g_.groups * g_.filters * g_.depth())),
        slopes_(drawn<T>(random, g_.images * g_.groups * g_.filters * pixels())) {}

  void run(Generator& random) {
    std::vector<T> y(slopes_.size()), want;
    forCuts(split_, [&](const Caches& sizes, int threads) {
      const Status status = correlate<T>(g_, x_.data(), Filters<T>::whole(g_, weights_.data()), nullptr, Activation::kNone,
                                         y.data(), {g_.groups * g_.filters * pixels(), pixels(), g_.across.out, 1});
      LATENT_CHECK(status == Status::kOk, "%s: refused", caseText());
      if (want.empty()) want = y;
      LATENT_CHECK(sameBits(y, want), "%s: other bits with a second cache of %lld and %d threads", caseText(),
                   wide(sizes.l2), threads);
    });
    for (int i = 0; i < kSamples; ++i) checkValue(random.below(static_cast<int64_t>(y.size())), y);

    std::vector<T> sums(weights_.size());
    want.clear();
    forCuts(split_ && g_.groups * g_.channels > 1, [&](const Caches& sizes, int threads) {
      const Status status = correlateSlopes<T>(g_, x_.data(), slopes_.data(), nullptr, sums.data());
      LATENT_CHECK(status == Status::kOk, "%s: refused its slopes", caseText());
      if (want.empty()) want = sums;
      LATENT_CHECK(sameBits(sums, want), "%s: other bits of slopes with a second cache of %lld and %d threads", caseText(),
                   wide(sizes.l2), threads);
    });
    for (int i = 0; i < kSamples / 4; ++i) checkSlope(random.below(static_cast<int64_t>(sums.size())), sums);
  }

 private:
  static constexpr int kSamples = 48;
  int64_t pixels() const { return g_.down.out * g_.across.out; }

  double pixel(int64_t channel, int64_t i, int64_t j) const {
    if (i < 0 || j < 0 || i >= g_.down.in || j >= g_.across.in) return 0;
    return static_cast<double>(x_[static_cast<size_t>((channel * g_.down.in + i) * g_.across.in + j)]);
  }

  void checkValue(int64_t at, const std::vector<T>& y) const {
    const int64_t j = at % g_.across.out, i = at / g_.across.out % g_.down.out,
                  filter = at / pixels() % (g_.groups * g_.filters);
    const int64_t image = at / pixels() / g_.groups / g_.filters, group = filter / g_.filters;
    Sum sum;
    for (int64_t p = 0; p < g_.depth(); ++p) {
      const int64_t s = p % g_.across.taps, r = p / g_.across.taps % g_.down.taps, c = p / g_.taps();
      sum.add(static_cast<double>(weights_[static_cast<size_t>(filter * g_.depth() + p)]) *
              pixel((image * g_.groups + group) * g_.channels + c, i * g_.down.step + g_.down.shift(r),
                    j * g_.across.step + g_.across.shift(s)));
    }
    LATENT_CHECK(sum.near(y[static_cast<size_t>(at)]), "%s: element %lld is %.9g instead of %.9g", caseText(), wide(at),
                 static_cast<double>(y[static_cast<size_t>(at)]), sum.value);
  }

  void checkSlope(int64_t at, const std::vector<T>& sums) const {
    const int64_t s = at % g_.across.taps, r = at / g_.across.taps % g_.down.taps, c = at / g_.taps() % g_.channels;
    const int64_t filter = at / g_.depth(), group = filter / g_.filters;
    Sum sum;
    for (int64_t image = 0; image < g_.images; ++image) {
      for (int64_t i = 0; i < g_.down.out; ++i) {
        for (int64_t j = 0; j < g_.across.out; ++j) {
          const int64_t plane = image * g_.groups * g_.filters + filter;
          sum.add(static_cast<double>(slopes_[static_cast<size_t>((plane * g_.down.out + i) * g_.across.out + j)]) *
                  pixel((image * g_.groups + group) * g_.channels + c, i * g_.down.step + g_.down.shift(r),
                        j * g_.across.step + g_.across.shift(s)));
        }
      }
    }
    LATENT_CHECK(sum.near(sums[static_cast<size_t>(at)]), "%s: slope %lld is %.9g instead of %.9g", caseText(), wide(at),
                 static_cast<double>(sums[static_cast<size_t>(at)]), sum.value);
  }

  const Geometry g_;
  const bool split_;
  const std::vector<T> x_, weights_, slopes_;
};

template <class T>
void convolutions(uint64_t seed) {
  Generator random(seed);
  for (const Layer& layer : kLayers) {
    Side down = layer.down, across = layer.across;
    if (fullSweep()) {
      if (down.in > 1) down.in = layer.full;
      across.in = across.in > layer.full ? across.in : layer.full;
    }
    setCase("%s %s %s", kernels().name, typeName<T>(), layer.name);
    Convolution<T>(random, layer, down.line(), across.line()).run(random);
  }
}

// The shapes that products are made for: layers' forwards, their gradients, heads, and columns that are long and narrow.
template <class T>
void products(uint64_t seed) {
  Generator random(seed);
  const int64_t sizes[][3] = {{197, 768, 768}, {128, 3072, 768}, {64, 5003, 768}, {1, 3072, 768},
                              {10000, 1, 13},  {768, 256, 512},  {30, 100, 24},   {13, 7, 100'000},
                              {1024, 10, 784}, {3, 1000, 1024},  {24, 400, 900}};
  for (const auto& size : sizes) {
    const int64_t m = size[0], n = size[1], k = size[2];
    for (int form = 0; form < 4; ++form) {
      if (form == 1 && !fullSweep()) continue;
      const bool transposedA = form & 1, transposedB = form & 2;
      setCase("%s %s m=%lld n=%lld k=%lld transposed=%d%d", kernels().name, typeName<T>(), wide(m), wide(n), wide(k),
              transposedA, transposedB);
      const std::vector<T> a = drawn<T>(random, m * k), b = drawn<T>(random, k * n);
      std::vector<T> c(static_cast<size_t>(m * n)), want;
      const bool split = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) > 1e6 && n > 16;
      forCuts(split, [&](const Caches& caches, int threads) {
        const Status status = gemm<T>(m, n, k, {a.data(), transposedA ? 1 : k, transposedA ? m : 1},
                                      {b.data(), transposedB ? 1 : n, transposedB ? k : 1}, c.data(), n, {}, nullptr, 0);
        LATENT_CHECK(status == Status::kOk, "%s: refused", caseText());
        if (want.empty()) want = c;
        LATENT_CHECK(sameBits(c, want), "%s: other bits with a second cache of %lld and %d threads", caseText(),
                     wide(caches.l2), threads);
      });
      for (int sample = 0; sample < 40; ++sample) {
        const int64_t i = random.below(m), j = random.below(n);
        Sum sum;
        for (int64_t p = 0; p < k; ++p) {
          sum.add(static_cast<double>(a[static_cast<size_t>(transposedA ? p * m + i : i * k + p)]) *
                  static_cast<double>(b[static_cast<size_t>(transposedB ? j * k + p : p * n + j)]));
        }
        LATENT_CHECK(sum.near(c[static_cast<size_t>(i * n + j)]), "%s: (%lld, %lld)", caseText(), wide(i), wide(j));
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (const int status = chooseSet(argc, argv); status != 0) return status;
  const uint64_t seed = test::seed();
  convolutions<float>(seed);
  products<float>(seed + 1);
  if (fullSweep()) {
    convolutions<double>(seed + 2);
    products<double>(seed + 3);
  }
  return finish("test_cuts");
}
