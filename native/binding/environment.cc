#include "environment.h"

#include <algorithm>
#include <cstring>

#include "../runtime/tensor/move.h"
#include "handle_scope.h"
#include "plans.h"
#include "session.h"

namespace latent {
namespace {

constexpr uint32_t kCanaryInterval = 64;  // operations between two looks at the canaries
constexpr size_t kSweepSlice = 2048;      // handles looked at per operation while a sweep is due
constexpr size_t kSpareLists = 3;
constexpr size_t kScopeSlice = 256;  // handles opened before their scope is closed
// Bytes made between two scavenges, beside an eighth of what is live: of blocks that a cache could hold, which should
// come back while it does, and of all. More where the litter for one is as much as that.
constexpr int64_t kCachedBytes = int64_t(12) << 20, kMostCachedBytes = int64_t(32) << 20;
constexpr int64_t kScavengeBytes = int64_t(32) << 20, kMostScavengeBytes = int64_t(48) << 20;
constexpr int64_t kCachedPerLitter = 2, kBytesPerLitter = 3;
// Bytes made between two of V8's own collections of young objects, which cost less: of blocks that a cache could hold, where
// they are at least kCachedHandles, and of all. Twice as many after each that freed less than a quarter of them, as in the
// forward of a step of training, where they make what dies with the step old, up to what litter waits for; half as many after
// kUseful other ones.
constexpr int64_t kYoungCachedBytes = int64_t(6) << 20, kYoungBytes = int64_t(12) << 20;
constexpr size_t kCachedHandles = 32;
constexpr int64_t kMostPatience = 1 << 10;
constexpr int kUseful = 8;
constexpr size_t kCachedBlock = size_t(1) << 20;
// Before a block of at least kFreshBlock comes from the system, whose new pages cost more, dead handles are looked for: at first
// when kFreshBytes were made since the last scavenge, later when more were, up to kYoungBytes. After each scavenge that
// freed nothing twice as many such blocks are taken without one, up to kMostToPass.
constexpr size_t kFreshBlock = size_t(128) << 10;
constexpr int64_t kFreshBytes = int64_t(1) << 20;
constexpr int kMostToPass = 63;
// Live bytes may grow by a fifth of what they were after a mark-compact, and this, before the next is provoked: handles
// that outlive two scavenges in a step, as those of a large net do, die to no scavenge.
constexpr int64_t kMarkBytes = int64_t(64) << 20;
// A provoked mark-compact is not repeated before this many times its own duration has passed.
constexpr int kMarkRest = 30;
constexpr int64_t kReportStep = int64_t(4) << 20;
// New handles between two scavenges: what belongs to so many (references, slots, small buffers) still lies in the second
// cache when it is used again, which makes small operations a quarter faster than the young generation's own pace does.
// Where that generation is large, filling it costs more than the cache gives: so many handles for each array of litter.
constexpr size_t kScavengeHandles = 2000;
constexpr size_t kHandlesPerLitter = 8;
constexpr int kOldAfterScavenges = 3;
constexpr uint32_t kLitterLength = 1024;  // elements of an array made only to fill the young generation
constexpr size_t kLitterCount = 8192;     // 64 MB: more than the largest young generation
// Pieces per operation, a small part of a millisecond, where there is no hurry.
constexpr size_t kLitterSlice = 64;
// Past every heap limit, so that V8 collects at once; taken back in the same breath.
constexpr int64_t kPressure = int64_t(1) << 46;

}  // namespace

Environment::Environment(napi_env env)
    : env_(env), youngCollector_(env), scavengeHandles_(kScavengeHandles), cachedBytes_(kCachedBytes),
      scavengeBytes_(kScavengeBytes), freshBytes_(kFreshBytes) {
  slots_.resize(1);  // number 0 means none
  spare_.reserve(kSpareLists);
  renewYoungCanary();
  tendOldCanary();
}

// The references die with the environment.
Environment::~Environment() {
  for (Slot& slot : slots_) releaseStorage(slot);
  for (Session* session : sessions_) delete session;
}

Session* Environment::open(void* registerData, napi_value findYoungCollector) {
  sessions_.reserve(sessions_.size() + 1);
  youngCollector_.offer(findYoungCollector);
  sessions_.push_back(new Session(this, registerData));
  return sessions_.back();
}

Environment* Environment::of(napi_env env) {
  void* data = nullptr;
  if (napi_get_instance_data(env, &data) != napi_ok) return nullptr;
  if (data != nullptr) return static_cast<Environment*>(data);
  Environment* made = new Environment(env);
  // Hooks run however a worker ends; instance data's own finalizer would do as well, but not before the hook.
  napi_add_env_cleanup_hook(env, [](void* p) { delete static_cast<Environment*>(p); }, made);
  napi_set_instance_data(env, made, nullptr, nullptr);
  return made;
}

Storage* Environment::allocate(size_t bytes) {
  noteMade(bytes);
  Storage* const made = Storage::create(&account_, bytes);
  if (made != nullptr && returned_.wasRecent(*made, bytesMade_)) made->setWarm();
  return made;
}

bool Environment::shouldReuse(size_t bytes) noexcept {
  if (bytes < kFreshBlock || bytesSinceScavenge_ < std::max(static_cast<int64_t>(bytes), freshBytes_)) return false;
  if (memory::isPooled(bytes) || !youngCollector_.isThere()) return false;
  if (freshToPass_ == 0) return true;
  --freshToPass_;
  return false;
}

void Environment::reuse() noexcept {
  const int64_t before = account_.live.load(std::memory_order_relaxed);
  if (!collectYoung()) return;
  while (!due_.empty() && sweep(kSweepSlice)) {}
  freshBytes_ = std::min(freshBytes_ + freshBytes_ / 4, kYoungBytes);
  const bool freed = account_.live.load(std::memory_order_relaxed) < before;
  nextToPass_ = freed ? 0 : std::min(2 * nextToPass_ + 1, kMostToPass);
  freshToPass_ = nextToPass_;
}

Status Environment::own(int32_t id) {
  const View* const view = find(id);
  if (view == nullptr || !view->storage->hasReaders()) return Status::kOk;
  Storage* const old = view->storage;
  old->retain();
  Storage* fresh = Storage::create(&account_, old->bytes());
  if (fresh == nullptr) {
    makeRoom();
    fresh = Storage::create(&account_, old->bytes());
  }
  if (fresh != nullptr) {
    std::memcpy(fresh->data(), old->data(), old->bytes());
    if (old->keepsPacked()) fresh->keepPacked();
    move(old, fresh);
    fresh->release();
  }
  old->release();
  return fresh == nullptr ? Status::kOutOfMemory : Status::kOk;
}

Status Environment::restore(int32_t target, int32_t source) noexcept {
  const View* const to = find(target);
  const View* const from = find(source);
  if (to == nullptr || from == nullptr) return Status::kBadHandle;
  Storage* const old = to->storage;
  Storage* const fresh = from->storage;
  if (to->dtype != from->dtype || !to->sameShape(*from) || old == fresh) return LATENT_BROKEN;
  if (!old->hasReaders()) {
    old->touch();
    return copyConvert(*from, *to) ? Status::kOk : LATENT_BROKEN;
  }
  const bool whole = old->bytes() == fresh->bytes() && to->contiguous() && from->contiguous() && to->data == old->data() &&
                     from->data == fresh->data();
  if (!whole) return LATENT_BROKEN;
  if (old->keepsPacked()) fresh->keepPacked();
  move(old, fresh);
  return Status::kOk;
}

void Environment::move(Storage* old, Storage* fresh) noexcept {
  old->retain();
  for (Slot& slot : slots_) {
    if (!slot.used || slot.view.storage != old) continue;
    slot.view.data = fresh->data() + (slot.view.data - old->data());
    slot.view.storage = fresh;
    fresh->retain();
    old->release();
  }
  old->release();
}

void Environment::noteMade(size_t bytes) {
  const int64_t taken = static_cast<int64_t>(memory::classBytes(bytes));
  bytesMade_ += taken;
  bytesSinceScavenge_ += taken;
  if (bytes < kCachedBlock) cachedSinceScavenge_ += taken;
}

void Environment::makeRoom() noexcept {
  collect();
  for (Slot& slot : slots_) {
    if (slot.used && slot.view.storage != nullptr) slot.view.storage->dropPacked();
    if (slot.plan != nullptr) slot.plan->plan().dropHoisted();
  }
  memory::trim();
}

int32_t Environment::createSlot(const View& view) {
  int32_t id = firstFree_;
  if (id != 0) {
    firstFree_ = slots_[static_cast<size_t>(id)].nextFree;
  } else {
    if (slots_.size() >= 0x7fffffff) return 0;
    slots_.emplace_back();
    id = static_cast<int32_t>(slots_.size() - 1);
  }
  Slot& slot = slots_[static_cast<size_t>(id)];
  slot.view = view;
  slot.used = true;
  slot.managed = false;
  ++account_.tensors;
  return id;
}

int32_t Environment::createPlan(napi_value handle, std::shared_ptr<BoundPlan> plan) {
  const int32_t id = createSlot(View{});
  if (id == 0) return 0;
  --account_.tensors;
  const bool managed = manage(handle, id) == Status::kOk;
  if (managed) slots_[static_cast<size_t>(id)].plan = std::move(plan);
  else freeSlot(id);
  return managed ? id : 0;
}

std::shared_ptr<BoundPlan> Environment::findPlan(int32_t id) {
  return id > 0 && static_cast<size_t>(id) < slots_.size() ? slots_[static_cast<size_t>(id)].plan : nullptr;
}

View* Environment::find(int32_t id) {
  if (id <= 0 || static_cast<size_t>(id) >= slots_.size()) return nullptr;
  Slot& slot = slots_[static_cast<size_t>(id)];
  return slot.used && slot.view.storage != nullptr ? &slot.view : nullptr;
}

void Environment::releaseStorage(Slot& slot) {
  if (!slot.used || slot.view.storage == nullptr) return;
  slot.view.storage->release();
  slot.view.storage = nullptr;
  --account_.tensors;
}

void Environment::freeSlot(int32_t id) {
  Slot& slot = slots_[static_cast<size_t>(id)];
  releaseStorage(slot);
  slot.plan.reset();
  slot.used = false;
  slot.managed = false;
  slot.nextFree = firstFree_;
  firstFree_ = id;
}

void Environment::freeUnmanaged(int32_t id) {
  if (find(id) != nullptr && !slots_[static_cast<size_t>(id)].managed) dispose(id);
}

void Environment::dispose(int32_t id) {
  if (find(id) == nullptr) return;
  Slot& slot = slots_[static_cast<size_t>(id)];
  const Storage* const storage = slot.view.storage;
  const bool isLast = storage != nullptr && storage->exclusive();
  if (isLast) returned_.note(*storage, bytesMade_);
  if (!slot.managed) return freeSlot(id);
  // A buffer that is freed by hand waits for no collection, so its bytes don't count towards the next one.
  if (isLast) {
    const int64_t taken = static_cast<int64_t>(memory::classBytes(storage->bytes()));
    bytesSinceScavenge_ = std::max(int64_t(0), bytesSinceScavenge_ - taken);
    if (storage->bytes() < kCachedBlock) cachedSinceScavenge_ = std::max(int64_t(0), cachedSinceScavenge_ - taken);
  }
  releaseStorage(slot);
}

Status Environment::manage(napi_value handle, int32_t id) noexcept {
  Slot& slot = slots_[static_cast<size_t>(id)];
  napi_ref ref;
  if (slot.managed || napi_create_reference(env_, handle, 0, &ref) != napi_ok) return LATENT_BROKEN;
  try {
    young_.push_back({ref, id});
  } catch (...) {
    napi_delete_reference(env_, ref);
    return Status::kOutOfMemory;
  }
  slot.managed = true;
  return Status::kOk;
}

bool Environment::isDead(napi_ref ref) {
  napi_value value = nullptr;
  return napi_get_reference_value(env_, ref, &value) == napi_ok && value == nullptr;
}

void Environment::renewYoungCanary() {
  HandleScope scope(env_);
  if (youngCanary_ != nullptr) napi_delete_reference(env_, youngCanary_);
  youngCanary_ = nullptr;
  napi_value object;
  if (napi_create_object(env_, &object) == napi_ok) napi_create_reference(env_, object, 0, &youngCanary_);
}

// Born strong, let go once it has survived into the old generation, replaced when it is gone.
void Environment::tendOldCanary() {
  HandleScope scope(env_);
  if (oldCanary_ == nullptr) {
    napi_value object;
    if (napi_create_object(env_, &object) == napi_ok) napi_create_reference(env_, object, 1, &oldCanary_);
    oldCanaryAge_ = 0;
  } else if (oldCanaryAge_ < kOldAfterScavenges && ++oldCanaryAge_ == kOldAfterScavenges) {
    napi_reference_unref(env_, oldCanary_, nullptr);
  }
}

// Where there is no memory to note it with, the canary stays dead, to be noticed at the next look.
void Environment::noteScavenge() noexcept {
  if (!hasRoomForDue(2)) return;
  if (bytesSinceScavenge_ >= kYoungBytes / 2) {
    judged_ = bytesSinceScavenge_;
    freed_ = 0;
  }
  bytesSinceScavenge_ = 0;
  cachedSinceScavenge_ = 0;
  litter_ = 0;
  renewYoungCanary();
  tendOldCanary();
  // An object that outlived one scavenge is looked at again after the next; one that outlived two is old.
  fallDue(middle_, &old_);
  fallDue(young_, &middle_);
}

bool Environment::hasRoomForDue(size_t batches) noexcept {
  try {
    due_.reserve(due_.size() + batches);
    return true;
  } catch (...) {
    return false;
  }
}

// To a list that has room for it. Emptied lists keep their room: growing new ones would make the general allocator tidy up
// all its small blocks.
void Environment::fallDue(std::vector<Entry>& list, std::vector<Entry>* survivors) noexcept {
  due_.push_back({std::move(list), survivors});
  list.clear();
  if (spare_.empty()) return;
  list = std::move(spare_.back());
  spare_.pop_back();
}

void Environment::noteMarkCompact() noexcept {
  if (!hasRoomForDue(1)) return;
  if (oldCanary_ != nullptr) napi_delete_reference(env_, oldCanary_);
  oldCanary_ = nullptr;
  tendOldCanary();
  fallDue(old_, &old_);
  marked_ = true;
}

// False where memory is short to note what lives on: it stays due.
bool Environment::sweep(size_t budget) noexcept {
  while (budget > 0 && !due_.empty()) {
    Batch& batch = due_.back();
    HandleScope scope(env_);
    for (size_t i = 0; i < kScopeSlice && budget > 0 && !batch.entries.empty(); ++i, --budget) {
      const Entry entry = batch.entries.back();
      if (isDead(entry.ref)) {
        batch.entries.pop_back();
        napi_delete_reference(env_, entry.ref);
        const int64_t before = account_.live.load(std::memory_order_relaxed);
        freeSlot(entry.slot);
        freed_ += before - account_.live.load(std::memory_order_relaxed);
      } else {
        try {
          batch.survivors->push_back(entry);
        } catch (...) {
          return false;
        }
        batch.entries.pop_back();
      }
    }
    if (batch.entries.empty()) {
      if (spare_.size() < kSpareLists) spare_.push_back(std::move(batch.entries));
      due_.pop_back();
    }
  }
  if (judged_ > 0 && due_.empty()) {
    if (freed_ < judged_ / 4) {
      patience_ = std::min(2 * patience_, kMostPatience);
      useful_ = 0;
    } else if (++useful_ == kUseful) {
      patience_ = std::max(patience_ / 2, int64_t(1));
      useful_ = 0;
    }
    judged_ = 0;
  }
  if (marked_ && due_.empty()) {
    marked_ = false;
    liveAfterMark_ = account_.live.load(std::memory_order_relaxed);
  }
  return true;
}

void Environment::tick() noexcept {
  if (++ticks_ % kCanaryInterval == 0) {
    HandleScope scope(env_);
    if (youngCanary_ == nullptr || isDead(youngCanary_)) noteScavenge();
    if (oldCanary_ == nullptr || (oldCanaryAge_ >= kOldAfterScavenges && isDead(oldCanary_))) noteMarkCompact();
  }
  const int64_t live = account_.live.load(std::memory_order_relaxed);
  const int64_t share = live / 8;
  const bool isEarly = bytesSinceScavenge_ > patience_ * kYoungBytes ||
                       (cachedSinceScavenge_ > patience_ * kYoungCachedBytes && young_.size() >= kCachedHandles);
  if (bytesSinceScavenge_ > scavengeBytes_ + share) provokeScavenge(kLitterCount);
  else if (young_.size() > scavengeHandles_ || cachedSinceScavenge_ > cachedBytes_ + share) provokeScavenge(kLitterSlice);
  else if (isEarly && youngCollector_.isThere()) provokeScavenge(kLitterSlice);
  if (!due_.empty()) sweep(kSweepSlice);
  else if (live > liveAfterMark_ + liveAfterMark_ / 5 + kMarkBytes) provokeMarkCompact();
  reportExternal();
}

bool Environment::collectYoung() noexcept {
  if (youngCanary_ == nullptr || !youngCollector_.run()) return false;
  HandleScope scope(env_);
  if (isDead(youngCanary_)) {
    noteScavenge();
    return true;
  }
  youngCollector_.giveUp();
  return false;
}

// V8's own function takes half the time of litter. Where there is none, the young generation is filled with litter until the
// canary is gone, or with so many pieces of it; the rest comes with the next operations.
void Environment::provokeScavenge(size_t most) noexcept {
  if (collectYoung()) return;
  for (size_t i = 0; i < most; ++i) {
    HandleScope scope(env_);
    napi_value piece;
    if (napi_create_array_with_length(env_, kLitterLength, &piece) != napi_ok) return;
    ++litter_;
    if (youngCanary_ != nullptr && !isDead(youngCanary_) && litter_ < kLitterCount) continue;
    scavengeHandles_ = std::max(kScavengeHandles, kHandlesPerLitter * litter_);
    const int64_t bytes = static_cast<int64_t>(litter_ * kLitterLength * sizeof(void*));
    cachedBytes_ = std::clamp(kCachedPerLitter * bytes, kCachedBytes, kMostCachedBytes);
    scavengeBytes_ = std::clamp(kBytesPerLitter * bytes, kScavengeBytes, kMostScavengeBytes);
    noteScavenge();
    return;
  }
}

void Environment::provokeMarkCompact() noexcept {
  const auto begin = std::chrono::steady_clock::now();
  if (begin < nextMark_) return;
  collectGarbage();
  const auto end = std::chrono::steady_clock::now();
  nextMark_ = end + kMarkRest * (end - begin);
}

// Runs V8's collector; what died is due to be swept.
void Environment::collectGarbage() noexcept {
  int64_t total;
  napi_adjust_external_memory(env_, kPressure, &total);
  napi_adjust_external_memory(env_, -kPressure, &total);
  noteScavenge();
  noteMarkCompact();
}

void Environment::reportExternal() {
  const int64_t live = account_.live.load(std::memory_order_relaxed), change = live - reported_;
  if (change < kReportStep && change > -kReportStep) return;
  int64_t total;
  reported_ = live;
  napi_adjust_external_memory(env_, change, &total);
}

// Twice: what became old while V8 was marking survives the first.
void Environment::collect() noexcept {
  for (int i = 0; i < 2; ++i) {
    collectGarbage();
    while (!due_.empty() && sweep(kSweepSlice)) {}
  }
  reportExternal();
}

}  // namespace latent
