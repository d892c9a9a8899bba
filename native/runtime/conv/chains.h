// How the sums of convolutions are cut into chains, by the sizes alone. They are shorter than those of products (kChain), where
// that costs next to nothing: a tile of outputs is read and written once a chain.
#pragma once

#include "../../kernels/kernels.h"
#include "line.h"

namespace latent {

// Steps of a depth are summed in chains of `chain`, begun anew at each multiple of `period`: cuts between periods show in no
// sum.
struct Chains {
  int64_t period, chain;

  // As few chains of nearly the same length as keep to `longest`, or come near it.
  static Chains within(int64_t period, int64_t longest) {
    return {period, period <= longest * 4 / 3 ? period : ceilDiv(period, ceilDiv(period, longest))};
  }
};

// Over channels of so many taps: whole channels together, about 32 of them, more where they have few taps.
inline Chains chainsOverChannels(int64_t channels, int64_t taps) {
  constexpr int64_t kTogether = 32, kLeast = 96;
  const int64_t wanted = kTogether * taps < kLeast ? kLeast : kTogether * taps, longest = wanted < kChain ? wanted : kChain;
  return Chains::within(ceilDiv(channels, ceilDiv(channels * taps, longest)) * taps, longest);
}

// Over the outputs of an image: whole rows together, or parts of a row where it is long or the only one.
struct PixelChains {
  int64_t unit;  // rows, of the only row columns, that are not cut
  Chains chains;
  int64_t strip;        // so many rows or columns have kMost chains at most
  int64_t stripChains;  // how many

  // Sums of more chains than this are begun anew and added up after that.
  static constexpr int64_t kMost = 256;
  static constexpr int64_t kLongest = kChain / 2;

  PixelChains(const Line& down, const Line& across) {
    if (down.out == 1) {
      unit = across.out < kLongest ? across.out : kLongest;
      chains = {unit, unit};
    } else {
      const int64_t rows = across.out < kLongest ? kLongest / across.out : 1;
      unit = ceilDiv(down.out, ceilDiv(down.out, rows));
      chains = Chains::within(unit * across.out, kLongest);
    }
    const int64_t all = down.out == 1 ? across.out : down.out, each = ceilDiv(chains.period, chains.chain);
    const int64_t units = each < kMost ? kMost / each : 1;
    strip = units * unit < all ? units * unit : all;
    stripChains = ceilDiv(strip, unit) * each;
  }
};

}  // namespace latent
