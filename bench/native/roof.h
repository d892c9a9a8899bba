// What the machine itself can do: the roofs over every figure.
#pragma once

#include <memory>
#include <string>

#include "job.h"

namespace latent_bench {

// Fused multiply-adds of float32 on `threads` threads, and nothing else.
struct Peak {
  std::unique_ptr<Job> job;
  double flops;  // of one run
};
Peak fmaPeak(int threads);

// Moves data within `bytes` in all, read, copied or combined on `threads` threads: kind is "read", "copy" or "triad".
// Throws std::invalid_argument for any other kind.
struct Stream {
  std::unique_ptr<Job> job;
  double bytes;  // moved by one run
};
Stream stream(const std::string& kind, size_t bytes, int threads);

}  // namespace latent_bench
