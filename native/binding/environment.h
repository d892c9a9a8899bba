// The addon's state in one JavaScript environment (the main thread or a worker): numbered slots that hold tensors,
// and the means to notice which JavaScript handles are gone.
//
// A handle is a plain JavaScript object; nothing tells us when it dies, because finalizers run only when the event loop
// turns, and a training loop doesn't let it. So each handle has a weak reference here, and two canaries tell that a
// collection has happened: one young object, which the next scavenge takes, and one that was kept long enough to be
// old, which only a mark-compact takes. Then the references are read, and the buffers of dead handles are freed.
#pragma once

#include <node_api.h>

#include <chrono>
#include <memory>
#include <vector>

#include "../runtime/call.h"
#include "returned.h"
#include "temporaries.h"
#include "young_collector.h"

namespace latent {

class BoundPlan;
class Session;

class Environment {
 public:
  explicit Environment(napi_env env);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // The environment of a napi_env, made at the first call.
  static Environment* of(napi_env env);

  Account& account() { return account_; }
  Temporaries& temporaries() { return temporaries_; }

  // A session of this environment on a register of kRegisterBytes; it lives as long as the environment. `findYoungCollector` is
  // what YoungCollector::offer takes, or null.
  Session* open(void* registerData, napi_value findYoungCollector);

  // A new buffer of `bytes`, or null when memory is short.
  Storage* allocate(size_t bytes);
  // Whether reuse() should look for dead handles before a block of so many bytes is taken: that would come from the system, and
  // its new pages would cost more than the search. The caller must hold the storages that it still reads before reuse().
  bool shouldReuse(size_t bytes) noexcept;
  void reuse() noexcept;
  // To be called before the tensor of a slot is written: where predictions read its buffer, all slots of that buffer get a
  // copy, and the old one is theirs.
  Status own(int32_t id);
  // The elements of one slot become those of another, which nobody looks at any more; asks for no memory. kContract where they
  // are not alike, or predictions read a part of which the slot is.
  Status restore(int32_t target, int32_t source) noexcept;
  // Counts bytes that were made for handles elsewhere, towards the next collection.
  void noteMade(size_t bytes);
  // Frees everything that can be: dead handles' slots, packed forms, the pool.
  void makeRoom() noexcept;

  // Takes over one count of view.storage. 0 when there is no memory for the table.
  int32_t createSlot(const View& view);
  // A slot for a plan that lives as long as `handle`; 0 when there is no memory.
  int32_t createPlan(napi_value handle, std::shared_ptr<BoundPlan> plan);
  // Null when the slot holds no tensor.
  View* find(int32_t id);
  // Null when it holds no plan. A run holds its plan, whose handle may be dead by then.
  std::shared_ptr<BoundPlan> findPlan(int32_t id);
  // Lets go of the slot's storage; the number is reused at once (no handle knows it) or with the handle's death.
  void freeUnmanaged(int32_t id);
  void dispose(int32_t id);
  // Ties the slot to the life of `handle`. kContract where that is no object, or the slot has a handle.
  Status manage(napi_value handle, int32_t id) noexcept;

  // Behind an operation, when the numbers it was given mean nothing any more: notices collections and sweeps a part of
  // what is due. Provokes a scavenge when many bytes were made since the last one, and a mark-compact when more has
  // become live since the last one than a step of training would explain. What it lacks memory for comes with a later call.
  void tick() noexcept;
  // Runs the collector to the end and sweeps everything.
  void collect() noexcept;

 private:
  struct Slot {
    View view;
    std::shared_ptr<BoundPlan> plan;
    bool used = false, managed = false;
    int32_t nextFree = 0;
  };
  struct Entry {
    napi_ref ref;
    int32_t slot;
  };
  struct Batch {
    std::vector<Entry> entries;
    std::vector<Entry>* survivors;
  };

  bool isDead(napi_ref ref);
  void freeSlot(int32_t id);
  void releaseStorage(Slot& slot);
  void renewYoungCanary();
  void tendOldCanary();
  bool hasRoomForDue(size_t batches) noexcept;
  void noteScavenge() noexcept;
  void noteMarkCompact() noexcept;
  void fallDue(std::vector<Entry>& list, std::vector<Entry>* survivors) noexcept;
  bool sweep(size_t budget) noexcept;
  // False where V8's own collection of young objects isn't to be had.
  bool collectYoung() noexcept;
  void provokeScavenge(size_t most) noexcept;
  void provokeMarkCompact() noexcept;
  void collectGarbage() noexcept;
  // All slots of a storage look at another one, of the same length.
  void move(Storage* old, Storage* fresh) noexcept;
  void reportExternal();

  napi_env env_;
  Account account_;
  Temporaries temporaries_;
  YoungCollector youngCollector_;
  std::vector<Session*> sessions_;
  std::vector<Slot> slots_;
  int32_t firstFree_ = 0;
  std::vector<Entry> young_, middle_, old_;
  std::vector<Batch> due_;
  std::vector<std::vector<Entry>> spare_;
  napi_ref youngCanary_ = nullptr, oldCanary_ = nullptr;
  int oldCanaryAge_ = 0;
  uint32_t ticks_ = 0;
  Returned returned_;
  int64_t bytesMade_ = 0;
  int64_t bytesSinceScavenge_ = 0, cachedSinceScavenge_ = 0;
  // Of the last scavenge, until what died by it was swept: the bytes made before it, and those that were freed so far.
  int64_t judged_ = 0, freed_ = 0;
  // How many times more bytes than at first are made before young objects are collected, for such collections freed little.
  int64_t patience_ = 1;
  int useful_ = 0;  // those in a row that freed more
  // Live bytes once the handles that died by the last mark-compact were swept, and whether that is yet to come.
  int64_t liveAfterMark_ = 0;
  bool marked_ = false;
  std::chrono::steady_clock::time_point nextMark_{};
  int64_t reported_ = 0;
  size_t scavengeHandles_, litter_ = 0;
  int64_t cachedBytes_, scavengeBytes_;
  // Bytes made since the last scavenge before a fresh block asks for one; how many such blocks are let pass now, and after the
  // next that frees nothing.
  int64_t freshBytes_;
  int freshToPass_ = 0, nextToPass_ = 0;
};

}  // namespace latent
