// V8's own collection of young objects. Node-API has no function for it, so JavaScript looks for one, when it is first needed:
// making a context for it takes a millisecond.
#pragma once

#include <node_api.h>

#include <vector>

namespace latent {

class YoungCollector {
 public:
  explicit YoungCollector(napi_env env) : env_(env) {}
  YoungCollector(const YoungCollector&) = delete;
  YoungCollector& operator=(const YoungCollector&) = delete;

  // `find` answers the function that collects, or undefined; where it raises it is asked again. It belongs to one load of the
  // JavaScript layer and is not kept alive: a process may load many, one after the other, as test runners do.
  void offer(napi_value find);
  // Whether a collector is known; looks for one until there is.
  bool isThere() noexcept;
  // Collects young objects; false where it could not.
  bool run() noexcept;
  // Drops the collector for good, after a run that left dead young objects.
  void giveUp() noexcept;

 private:
  bool mayCall() noexcept;
  napi_value callOf(napi_value function) noexcept;
  void find() noexcept;
  void dropOffers() noexcept;

  napi_env env_;
  std::vector<napi_ref> offers_;
  napi_ref collect_ = nullptr;
  int failures_ = 0, toPass_ = 0;  // calls that raised in turn, and requests to let pass before the next
};

}  // namespace latent
