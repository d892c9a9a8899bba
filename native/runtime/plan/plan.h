// A plan with what it keeps from run to run: its instances, and what hoisted steps made.
#pragma once

#include <memory>

#include "instance.h"

namespace latent {

// What one run reads and writes.
struct Run {
  int64_t batch = 0;
  const View* inputs = nullptr;    // each with the plan's sizes at this batch
  const View* held = nullptr;
  const int32_t* draws = nullptr;  // kDrawInts for each place in a random stream
  Account* account = nullptr;
  View* outputs = nullptr;         // out: each with one count of its storage
  int32_t step = -1;               // out: the step that failed, or -1
  bool wrote = false;              // out: whether anything that outlives the run was written
};

class Plan {
 public:
  explicit Plan(PlanSpec spec);
  ~Plan() { dropHoisted(); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const PlanSpec& spec() const { return spec_; }
  // Null where the plan means nothing at this batch. Kept until other batches have taken its place.
  const Instance* instanceFor(int64_t batch);
  // On failure no output holds a storage.
  Status run(Run& run);
  // Lets go of what the next run can make again.
  void dropHoisted() noexcept;

 private:
  struct Seen {
    const Storage* storage;
    const char* data;
    uint32_t version;
  };

  Status bind(const Instance& instance, const Run& run);
  Status hoist(const Instance& instance, Run& run);
  void letGo() noexcept;
  Status provide(const Instance& instance, const Run& run);
  Status step(const Instance& instance, size_t i, Run& run);
  bool isHeld(int32_t value) const;
  bool hasChanged(const Run& run) const;
  bool isWindowOnWhatStays(const Instance& instance, const StepSpec& step) const;
  void dropPassing(const Instance& instance) noexcept;

  PlanSpec spec_;
  std::vector<std::unique_ptr<Instance>> instances_;  // the one that was used last comes first
  std::vector<View> values_;                          // of the run that is on, and its storages
  std::vector<Storage*> made_;
  Storage* arena_ = nullptr;
  std::vector<int32_t> hoistedFrom_;                  // what of the held the hoisted steps read
  std::vector<View> hoisted_;                         // roots that they made, each with one count
  std::vector<int32_t> hoistedValues_;                // the numbers of these
  std::vector<Seen> seen_;                            // what they were made from, as hoistedFrom_ has it
};

}  // namespace latent
