// Stretches of a plan's steps that fall into branches which depend on nothing of each other: these may run side by side.
#pragma once

#include <cstdint>
#include <vector>

namespace latent {

struct PlanSpec;

struct Fork {
  int32_t first = 0, end = 0;                  // the steps [first, end)
  std::vector<std::vector<int32_t>> branches;  // the steps of each, in order
};

// The forks after the hoisted steps, in order. What each is worth, a run tells.
std::vector<Fork> findForks(const PlanSpec& plan);

}  // namespace latent
