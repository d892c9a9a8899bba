// For how long each value of a plan is needed, which values can share storage, and which steps run together.
#pragma once

#include "chain.h"
#include "forks.h"
#include "layout.h"
#include "spec.h"

namespace latent {

class Lifetimes {
 public:
  // `shapes`: each value's sizes, as a contiguous window. `forks`: those whose branches run side by side.
  Lifetimes(const PlanSpec& plan, const std::vector<View>& shapes, const std::vector<Fork>& forks);

  // The value whose storage a root has: itself, or one that it is written over.
  int32_t leader(int32_t value) const {
    while (leader_[static_cast<size_t>(value)] != value) value = leader_[static_cast<size_t>(value)];
    return value;
  }
  // The first and last step that need a root.
  int32_t first(int32_t root) const { return first_[static_cast<size_t>(root)]; }
  int32_t last(int32_t root) const { return last_[static_cast<size_t>(root)]; }
  // The buffer of a root, of so many bytes: all steps of a chain are at one time, and so are the branches of a fork to what
  // comes from outside of it, or goes there.
  Buffer bufferOf(int32_t root, int64_t bytes) const;
  // Which output, or which of the held, a root lies in; -1 where in none.
  int32_t output(int32_t root) const { return output_[static_cast<size_t>(root)]; }
  int32_t held(int32_t root) const { return held_[static_cast<size_t>(root)]; }
  const std::vector<Chain>& chains() const { return chains_; }

 private:
  template <class T>
  static typename std::vector<T>::reference at(std::vector<T>& list, int32_t i) {
    return list[static_cast<size_t>(i)];
  }
  int32_t rootOf(int32_t value) const { return plan_.values[static_cast<size_t>(value)].root; }
  const View& shapeOf(int32_t value) const { return shapes_[static_cast<size_t>(value)]; }
  bool isMade(int32_t root) const { return plan_.values[static_cast<size_t>(root)].origin == Origin::kMade; }
  bool isWhole(int32_t value) const { return whole_[static_cast<size_t>(value)]; }

  void use(const StepSpec& s, int32_t i);
  void share(const StepSpec& s, int32_t i);
  bool readsAlike(const StepSpec& s, int j) const;
  void findChains();
  bool links(const StepSpec& s, const View& shape) const;
  int32_t endOfElements(int32_t first) const;
  bool isByImage(const StepSpec& s, int64_t images) const;
  int32_t endOfImages(int32_t first) const;
  void addChain(int32_t first, int32_t end, bool isOfImages);
  void placeImages(Chain& chain) const;
  int32_t branchAt(int32_t step) const { return branch_[static_cast<size_t>(step)]; }
  int32_t forkAt(int32_t step) const { return fork_[static_cast<size_t>(step)]; }

  const PlanSpec& plan_;
  const std::vector<View>& shapes_;
  const std::vector<Fork>& forks_;
  std::vector<int32_t> leader_, first_, last_, output_, held_, time_;
  std::vector<int32_t> fork_, branch_;  // of each step; -1 where it is in none
  std::vector<bool> whole_;             // the whole storage, contiguous
  std::vector<bool> local_;
  std::vector<Chain> chains_;
};

}  // namespace latent
