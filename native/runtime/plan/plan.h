// A plan with what it keeps from run to run: its instances, one for each combination of input sizes, and what hoisted steps
// made. It is one thread's; what it has prepared may run on another.
#pragma once

#include <unordered_map>

#include "execution.h"

namespace latent {

class Plan {
 public:
  explicit Plan(PlanSpec spec);
  ~Plan() { dropHoisted(); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const PlanSpec& spec() const { return *spec_; }
  // An execution of this plan's, for `prepare`.
  std::unique_ptr<Execution> execution() const { return std::make_unique<Execution>(spec_); }
  // Makes the plan serve inputs of other sizes, by as many numbers as PlanSpec has. Returns what runs name them by; 0 where
  // they are no sizes or arguments, or hoisted steps have others.
  int32_t addSizes(std::vector<double> numbers);
  void dropSizes(int32_t sizes) noexcept;
  // Null where such sizes are not there. With forks in the plan, and threads for them, runs try both ways a few times and go
  // on with the quicker one.
  std::shared_ptr<const Instance> instanceFor(int32_t sizes);
  // Readies an execution to run: binds it, and runs the hoisted steps where what they read has changed.
  Status prepare(Execution& execution, Run& run);
  // Calls f(storage) for what hoisted steps made, which a prepared execution reads.
  template <class F>
  void forHoisted(F&& f) const {
    for (const View& v : hoisted_) f(v.storage);
  }
  Status run(Run& run);
  // Lets go of what the next run can make again.
  void dropHoisted() noexcept;

 private:
  struct Seen {
    const Storage* storage;
    const char* data;
    uint32_t version;
  };

  // The ways to run on inputs of certain sizes, and how quick they were.
  struct Ways {
    std::vector<double> numbers;
    std::shared_ptr<const Instance> alone, forked;
    int threads = 0;  // with which they were tried
    int runs = 0;     // how often
    double aloneBest = 0, forkedBest = 0;

    bool isTrying() const { return threads > 1 && runs < kWarm + kTrials; }
    bool forks() const {
      if (threads == 1 || runs < kWarm) return false;
      return isTrying() ? (runs - kWarm) % 4 >= 2 : forkedBest < kGain * aloneBest;
    }
  };
  // The first runs go alone, until the pool's threads have found CPUs of their own. Then both ways take turns, two runs each, of
  // which the second counts: the first finds the other's values in the caches.
  static constexpr int kWarm = 32, kTrials = 4 * 12;
  // Below this part of the other's time a way counts as quicker.
  static constexpr double kGain = 0.95;

  Ways* waysFor(int32_t sizes);
  static void note(Ways& ways, double seconds);
  class Passing;
  Status provide(const Instance& instance, const StepSpec& step, Execution& execution, const Run& run, Passing& passing);
  Status hoist(const Instance& instance, Execution& execution, Run& run);
  bool hasChanged(const Run& run) const;
  bool isWindowOnWhatStays(const Instance& instance, const StepSpec& step) const;

  std::shared_ptr<const PlanSpec> spec_;
  std::vector<Fork> forks_;
  std::unordered_map<int32_t, Ways> ways_;  // by the number of their sizes
  int32_t lastSizes_ = 0;
  std::vector<double> firstNumbers_;  // those of the first sizes, which hoisted steps were run with
  Execution execution_;
  std::vector<int32_t> hoistedFrom_;             // what of the held the hoisted steps read
  std::vector<std::vector<int32_t>> lastReads_;  // the roots that each hoisted step is the last to touch
  std::vector<View> hoisted_;                    // roots that they made, each with one count
  std::vector<int32_t> hoistedValues_;           // the numbers of these
  std::vector<Seen> seen_;                       // what they were made from, as hoistedFrom_ has it
};

}  // namespace latent
