// A run of a plan's steps, on any thread: its values and their storages.
#pragma once

#include <memory>

#include "instance.h"

namespace latent {

// The buffers that one run reads and writes.
struct Run {
  int32_t sizes = 0;  // the number of the sizes that the inputs have (Plan::addSizes)
  const View* inputs = nullptr;
  const View* held = nullptr;
  const int32_t* draws = nullptr;  // kDrawInts for each place in a random stream
  Account* account = nullptr;
  const std::atomic<bool>* stop = nullptr;  // where there is one: whether to end before the next step
  View* outputs = nullptr;                  // out: each with one count of its storage
  int32_t step = -1;                        // out: the step that failed, or -1
  bool wrote = false;   // out: whether anything that outlives the run was written, so that it cannot run again
  bool placed = false;  // out: whether values that lie in what is held may be other ones by now
};

class Execution {
 public:
  explicit Execution(std::shared_ptr<const PlanSpec> spec) : spec_(std::move(spec)) {}

  // Takes the inputs and what is held, which must have the instance's sizes. `spare`: what to run where there is no memory for
  // `instance`, or null.
  Status bind(std::shared_ptr<const Instance> instance, std::shared_ptr<const Instance> spare, const Run& run);
  // A value that the steps find made already.
  void give(int32_t value, const View& view) { values_[static_cast<size_t>(value)] = view; }
  Status step(size_t i, Run& run) {
    run.step = static_cast<int32_t>(i);
    return perform(i, run);
  }
  // The steps after the hoisted ones. On failure no output holds a storage.
  Status run(Run& run);

 private:
  // A step, whose number nobody notes.
  Status perform(size_t i, Run& run);
  // Both tell the step that failed.
  Status runChain(const Chain& chain, int32_t& failed);
  Status runBranch(const std::vector<int32_t>& steps, Run& run, int32_t& failed);
  Status runFork(const Fork& fork, Run& run);
  Status provide(const Run& run);
  void release() noexcept;
  bool isHeld(int32_t value) const;

  std::shared_ptr<const PlanSpec> spec_;
  std::shared_ptr<const Instance> instance_, spare_;
  std::vector<View> values_;
  std::vector<Storage*> made_;  // by output
  // How the branches of a fork ended.
  struct Ending {
    Status status = Status::kOk;
    int32_t step = -1;
  };
  std::vector<Ending> endings_;
  Storage* arena_ = nullptr;
};

}  // namespace latent
