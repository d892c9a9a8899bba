// Known answers of Philox4x32-10, from the kat_vectors file of the Random123 distribution.
#include "runtime/philox.h"

#include <initializer_list>

#include "check.h"

using namespace latent;

namespace {

struct Answer {
  uint32_t counter[4], key[2], out[4];
};

const Answer kAnswers[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

uint64_t join(uint32_t low, uint32_t high) { return static_cast<uint64_t>(high) << 32 | low; }

}  // namespace

int main() {
  for (const Answer& answer : kAnswers) {
    const uint64_t position = join(answer.counter[0], answer.counter[1]);
    const uint64_t id = join(answer.counter[2], answer.counter[3]), seed = join(answer.key[0], answer.key[1]);
    // Block b of a stream is the counter b further on, across the carry between its words too.
    for (uint64_t block : {uint64_t(0), uint64_t(1), uint64_t(7), uint64_t(1) << 32, ~uint64_t(0)}) {
      uint32_t out[4];
      philox({seed, id, position - block}, block, out);
      for (int i = 0; i < 4; ++i) {
        LATENT_CHECK(out[i] == answer.out[i], "counter %08x..., block %llx, word %d: %08x instead of %08x",
                     answer.counter[0], static_cast<unsigned long long>(block), i, out[i], answer.out[i]);
      }
    }
  }
  return test::finish("test_philox");
}
