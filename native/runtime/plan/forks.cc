#include "forks.h"

#include <algorithm>

#include "spec.h"

namespace latent {
namespace {

// The longest stretch that is looked at: a net has many steps, and its branches few.
constexpr int32_t kLongest = 256;
// The estimated cost of a step: windows nothing, element by element little, products and the like much.
constexpr int32_t kMapCost = 1, kOtherCost = 8;

class Search {
 public:
  explicit Search(const PlanSpec& plan)
      : plan_(plan), maker_(plan.values.size(), -1), isWrittenInto_(plan.values.size(), false),
        touched_(plan.values.size()), branch_(plan.steps.size(), -1) {
    const int32_t steps = static_cast<int32_t>(plan.steps.size());
    for (int32_t i = 0; i < steps; ++i) {
      const StepSpec& s = step(i);
      if (s.kind == StepKind::kInto) {
        isWrittenInto_[static_cast<size_t>(rootOf(s.out[0]))] = true;
        continue;
      }
      for (int j = 0; j < s.outputs; ++j) maker_[static_cast<size_t>(s.out[j])] = i;
    }
    cut(plan.hoisted, steps);
    std::sort(forks_.begin(), forks_.end(), [](const Fork& a, const Fork& b) { return a.first < b.first; });
  }
  std::vector<Fork> found() { return std::move(forks_); }

 private:
  const StepSpec& step(int32_t i) const { return plan_.steps[static_cast<size_t>(i)]; }
  int32_t rootOf(int32_t value) const { return plan_.values[static_cast<size_t>(value)].root; }

  // Takes the stretch in which most runs beside the longest branch, and looks on to both sides of it.
  void cut(int32_t from, int32_t to) {
    int32_t best = -1, bestEnd = 0, most = 0;
    for (int32_t i = from; i < to; ++i) {
      const int32_t end = scan(i, to);
      if (saved_ <= most) continue;
      most = saved_;
      best = i;
      bestEnd = end;
    }
    if (best < 0) return;
    scan(best, to);
    Fork fork{best, bestEnd, {}};
    fork.branches.resize(costs_.size());
    for (int32_t i = best; i < bestEnd; ++i) {
      fork.branches[static_cast<size_t>(branch_[static_cast<size_t>(i)])].push_back(i);
    }
    forks_.push_back(std::move(fork));
    cut(from, best);
    cut(bestEnd, to);
  }

  // Puts steps from `first` on into branches, up to one that needs two of them, or writes what outlives the run. Answers
  // where that is.
  int32_t scan(int32_t first, int32_t to) {
    costs_.clear();
    saved_ = 0;
    int32_t i = first;
    const int32_t end = std::min(to, first + kLongest);
    for (; i < end; ++i) {
      const int32_t branch = branchFor(i, first);
      if (branch < 0) break;
      if (branch == static_cast<int32_t>(costs_.size())) costs_.push_back(0);
      branch_[static_cast<size_t>(i)] = branch;
      const StepSpec& s = step(i);
      if (s.kind != StepKind::kView)
        costs_[static_cast<size_t>(branch)] += s.op->kind == OpKind::kMap ? kMapCost : kOtherCost;
      touch(s, i, first);
    }
    // A branch that does nothing has nothing to run beside.
    if (costs_.empty() || std::count_if(costs_.begin(), costs_.end(), [](int32_t cost) { return cost > 0; }) < 2) return i;
    int32_t all = 0;
    for (const int32_t cost : costs_) all += cost;
    saved_ = all - *std::max_element(costs_.begin(), costs_.end());
    return i;
  }

  // The branch of a step: a new one where it needs none of the stretch; -1 where it ends the stretch.
  int32_t branchFor(int32_t i, int32_t first) const {
    const StepSpec& s = step(i);
    int32_t branch = static_cast<int32_t>(costs_.size());
    bool isFound = false;
    const auto needs = [&](int32_t earlier) {
      if (earlier < first) return true;
      const int32_t other = branch_[static_cast<size_t>(earlier)];
      if (isFound && other != branch) return false;
      branch = other;
      isFound = true;
      return true;
    };
    const auto needsValue = [&](int32_t value) {
      if (!needs(maker_[static_cast<size_t>(value)])) return false;
      const Touch& touched = touched_[static_cast<size_t>(rootOf(value))];
      return touched.scan != first || needs(touched.step);
    };
    for (int j = 0; j < s.inputs; ++j) {
      if (s.in[j] >= 0 && !needsValue(s.in[j])) return -1;
    }
    if (s.kind != StepKind::kInto) return branch;
    const bool outlives = plan_.values[static_cast<size_t>(rootOf(s.out[0]))].origin != Origin::kMade;
    return outlives || !needsValue(s.out[0]) ? -1 : branch;
  }

  // Notes who uses a storage that is written into: such uses have their order.
  void touch(const StepSpec& s, int32_t i, int32_t first) {
    const auto note = [&](int32_t value) {
      const size_t root = static_cast<size_t>(rootOf(value));
      if (isWrittenInto_[root]) touched_[root] = {first, i};
    };
    for (int j = 0; j < s.inputs; ++j) {
      if (s.in[j] >= 0) note(s.in[j]);
    }
    for (int j = 0; j < s.outputs; ++j) note(s.out[j]);
  }

  struct Touch {
    int32_t scan = -1, step = -1;
  };

  const PlanSpec& plan_;
  std::vector<int32_t> maker_;       // the step that makes each value
  std::vector<bool> isWrittenInto_;  // by root
  std::vector<Touch> touched_;       // by root: the last step of a scan that used it
  std::vector<int32_t> branch_;      // of each step, in the last scan
  std::vector<int32_t> costs_;       // of each branch
  int32_t saved_ = 0;                // what runs beside the longest branch
  std::vector<Fork> forks_;
};

}  // namespace

std::vector<Fork> findForks(const PlanSpec& plan) { return Search(plan).found(); }

}  // namespace latent
