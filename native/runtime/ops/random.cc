// Filling tensors from Philox streams. Element i takes its bits from a fixed place of the stream, so the result knows
// nothing of threads or of the order in which parts are filled.
//
// ints: the seed, the stream's number and the position, each as a low and a high word.
#include <cmath>
#include <type_traits>

#include "../philox.h"
#include "../tensor/dispatch.h"
#include "../tensor/strided.h"
#include "ops.h"

namespace latent {
namespace {

uint64_t word(const int32_t* p) {
  return static_cast<uint64_t>(static_cast<uint32_t>(p[0])) | static_cast<uint64_t>(static_cast<uint32_t>(p[1])) << 32;
}

Stream streamOf(const Call& call) { return {word(call.ints), word(call.ints + 2), word(call.ints + 4)}; }

uint64_t join(uint32_t low, uint32_t high) { return static_cast<uint64_t>(high) << 32 | low; }

// [0, 1) with 24 or 53 random bits.
float unit(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }
double unit(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

// Calls each(i, words) with the `kPerBlock` elements of each block: element i of the tensor, its words of the stream.
template <int kPerBlock, class F>
void forEachElement(const Stream& stream, int64_t count, F&& each) {
  constexpr int kWords = 4 / kPerBlock;
  const int64_t blocks = (count + kPerBlock - 1) / kPerBlock;
  parallelRanges(blocks, kElementGrain / 8, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      uint32_t words[4];
      philox(stream, static_cast<uint64_t>(b), words);
      for (int j = 0; j < kPerBlock; ++j) {
        const int64_t i = b * kPerBlock + j;
        if (i < count) each(i, words + j * kWords);
      }
    }
  });
}

// reals: low, high. float32 takes one word an element, float64 two.
Status runUniform(Call& call) {
  const View& out = call.out;
  if (!isFloat(out.dtype) || !out.contiguous()) return LATENT_BROKEN;
  const double low = call.reals[0], high = call.reals[1];
  const Stream stream = streamOf(call);
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    // A result that rounding took to `high` becomes the number before it.
    const T end = static_cast<T>(high), last = low < high ? std::nextafter(end, static_cast<T>(low)) : end;
    auto place = [&](int64_t i, double u) {
      const T x = static_cast<T>(low * (1 - u) + high * u);
      out.as<T>()[i] = x < end ? x : last;
    };
    if constexpr (sizeof(T) == 4) {
      forEachElement<4>(stream, out.size(), [&](int64_t i, const uint32_t* p) { place(i, unit(p[0])); });
    } else {
      forEachElement<2>(stream, out.size(), [&](int64_t i, const uint32_t* p) { place(i, unit(join(p[0], p[1]))); });
    }
  });
  return Status::kOk;
}

// Box and Muller's transform of two uniforms in (0, 1] and [0, 1).
void normalPair(double u, double v, double pair[2]) {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - u)), angle = 6.283185307179586477 * v;
  pair[0] = radius * std::cos(angle);
  pair[1] = radius * std::sin(angle);
}

// reals: mean, standard deviation. A block gives four floats or two doubles.
Status runNormal(Call& call) {
  const View& out = call.out;
  if (!isFloat(out.dtype) || !out.contiguous()) return LATENT_BROKEN;
  const double mean = call.reals[0], deviation = call.reals[1];
  const Stream stream = streamOf(call);
  const bool single = out.dtype == DType::kFloat32;
  const int64_t count = out.size(), perBlock = single ? 4 : 2, blocks = (count + perBlock - 1) / perBlock;
  parallelRanges(blocks, kElementGrain / 16, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      uint32_t words[4];
      philox(stream, static_cast<uint64_t>(b), words);
      double values[4] = {0, 0, 0, 0};
      if (single) {
        normalPair(words[0] * 0x1p-32, words[1] * 0x1p-32, values);
        normalPair(words[2] * 0x1p-32, words[3] * 0x1p-32, values + 2);
      } else {
        normalPair(unit(join(words[0], words[1])), unit(join(words[2], words[3])), values);
      }
      for (int64_t j = 0; j < perBlock && b * perBlock + j < count; ++j) {
        const double x = mean + deviation * values[j];
        if (single) out.as<float>()[b * perBlock + j] = static_cast<float>(x);
        else out.as<double>()[b * perBlock + j] = x;
      }
    }
  });
  return Status::kOk;
}

// The high half of bits·range: uniform over [0, range) but for a bias below range/2^64 (Lemire).
int64_t below(uint64_t bits, uint64_t range) {
  const uint64_t lowBits = bits & 0xffffffff, highBits = bits >> 32;
  const uint64_t lowRange = range & 0xffffffff, highRange = range >> 32;
  const uint64_t middle = highBits * lowRange + (lowBits * lowRange >> 32);
  const uint64_t cross = lowBits * highRange + (middle & 0xffffffff);
  return static_cast<int64_t>(highBits * highRange + (middle >> 32) + (cross >> 32));
}

// Whether integers of that type go as far as x; floats take any number, and bool whether it is 0.
bool holds(DType dtype, double x) {
  switch (dtype) {
    case DType::kInt32: return x >= -2147483648.0 && x <= 2147483647.0;
    case DType::kUint8: return x >= 0 && x <= 255;
    default: return true;
  }
}

// reals: low, high (exclusive), both integers. Two words an element.
Status runRandint(Call& call) {
  const View& out = call.out;
  constexpr double largest = 9007199254740992.0;
  const bool ordered = call.reals[0] >= -largest && call.reals[0] < call.reals[1] && call.reals[1] <= largest;
  if (!out.contiguous() || out.dtype == DType::kBool || !ordered) return LATENT_BROKEN;
  if (!holds(out.dtype, call.reals[0]) || !holds(out.dtype, call.reals[1] - 1)) return LATENT_BROKEN;
  const int64_t low = static_cast<int64_t>(call.reals[0]);
  const uint64_t range = static_cast<uint64_t>(static_cast<int64_t>(call.reals[1]) - low);
  const Stream stream = streamOf(call);
  withType(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    if constexpr (!std::is_same_v<T, Bool>) {
      forEachElement<2>(stream, out.size(), [&](int64_t i, const uint32_t* p) {
        out.as<T>()[i] = static_cast<T>(low + below(join(p[0], p[1]), range));
      });
    }
  });
  return Status::kOk;
}

// reals: probability of 1, the value written for 1. One word an element.
Status runBernoulli(Call& call) {
  const View& out = call.out;
  if (!out.contiguous()) return LATENT_BROKEN;
  const double probability = call.reals[0], value = call.reals[1];
  if (!holds(out.dtype, value)) return LATENT_BROKEN;
  const Stream stream = streamOf(call);
  withType(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    forEachElement<4>(stream, out.size(), [&](int64_t i, const uint32_t* p) {
      const bool hit = p[0] * 0x1p-32 < probability;
      if constexpr (std::is_same_v<T, Bool>) out.as<T>()[i] = {static_cast<uint8_t>(hit)};
      else out.as<T>()[i] = hit ? static_cast<T>(value) : T(0);
    });
  });
  return Status::kOk;
}

// A permutation of 0 … n-1 (Fisher and Yates). Element i takes block i.
Status runPermutation(Call& call) {
  const View& out = call.out;
  if (out.dtype != DType::kInt32 || out.rank != 1 || !out.contiguous()) return LATENT_BROKEN;
  const Stream stream = streamOf(call);
  int32_t* p = out.as<int32_t>();
  const int64_t n = out.size();
  for (int64_t i = 0; i < n; ++i) p[i] = static_cast<int32_t>(i);
  for (int64_t i = n - 1; i > 0; --i) {
    uint32_t words[4];
    philox(stream, static_cast<uint64_t>(i), words);
    const int64_t j = below(join(words[0], words[1]), static_cast<uint64_t>(i + 1));
    const int32_t held = p[i];
    p[i] = p[j];
    p[j] = held;
  }
  return Status::kOk;
}

const OpEntry kEntries[] = {
    {"uniform", OpKind::kFill, 0, 0, runUniform},         {"normal", OpKind::kFill, 0, 0, runNormal},
    {"randint", OpKind::kFill, 0, 0, runRandint},         {"bernoulli", OpKind::kFill, 0, 0, runBernoulli},
    {"permutation", OpKind::kFill, 0, 0, runPermutation},
};

}  // namespace

const OpList kRandomOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
