// How the sums of convolutions are cut into chains (kChain), by the sizes alone.
#pragma once

#include "../../kernels/kernels.h"
#include "line.h"

namespace latent {

// Steps of a depth are summed in chains of `chain`, begun anew at each multiple of `period`: cuts between periods show in no
// sum.
struct Chains {
  int64_t period, chain;

  // As few chains of nearly the same length as keep to kChain, or come near it.
  static Chains within(int64_t period) {
    const int64_t most = kChain * 4 / 3;
    return {period, period <= most ? period : ceilDiv(period, ceilDiv(period, kChain))};
  }
};

// Over channels of so many taps: whole channels together.
inline Chains chainsOverChannels(int64_t channels, int64_t taps) {
  return Chains::within(ceilDiv(channels, ceilDiv(channels * taps, kChain)) * taps);
}

// Over the outputs of an image: whole rows together, or parts of a row where it is long or the only one.
struct PixelChains {
  int64_t unit;         // rows, of the only row columns, that are not cut
  Chains chains;
  int64_t strip;        // so many rows or columns have kMost chains at most
  int64_t stripChains;  // how many

  // Sums of more chains than this are begun anew and added up after that.
  static constexpr int64_t kMost = 256;

  PixelChains(const Line& down, const Line& across) {
    if (down.out == 1) {
      unit = across.out < kChain ? across.out : kChain;
      chains = {unit, unit};
    } else {
      const int64_t rows = across.out < kChain ? kChain / across.out : 1;
      unit = ceilDiv(down.out, ceilDiv(down.out, rows));
      chains = Chains::within(unit * across.out);
    }
    const int64_t all = down.out == 1 ? across.out : down.out, each = ceilDiv(chains.period, chains.chain);
    const int64_t units = each < kMost ? kMost / each : 1;
    strip = units * unit < all ? units * unit : all;
    stripChains = ceilDiv(strip, unit) * each;
  }
};

}  // namespace latent
