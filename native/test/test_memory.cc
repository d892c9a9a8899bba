// Size classes, the pool of blocks, its limit, and the accounts of storages.
#include "runtime/memory.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "check.h"
#include "generator.h"
#include "runtime/storage.h"

using namespace latent;
using namespace latent::test;

namespace {

void sizeClasses() {
  Generator random(seed());
  std::vector<size_t> sizes;
  for (size_t bytes = 0; bytes <= 5000; ++bytes) sizes.push_back(bytes);
  for (int bit = 12; bit <= 53; ++bit) {
    const size_t power = size_t(1) << bit;
    for (size_t eighth = 0; eighth < 8; ++eighth) {
      const size_t edge = power + eighth * (power / 8);
      for (size_t bytes : {edge - 1, edge, edge + 1, edge + static_cast<size_t>(random.below(int64_t(power / 8)))}) {
        if (bytes > sizes.back()) sizes.push_back(bytes);
      }
    }
  }
  size_t previous = 0;
  for (size_t bytes : sizes) {
    const size_t taken = memory::classBytes(bytes);
    LATENT_CHECK(taken >= bytes && taken >= previous && taken % 64 == 0, "classBytes(%zu) = %zu after %zu", bytes, taken,
                 previous);
    LATENT_CHECK(taken - bytes <= bytes / 8 + 64, "classBytes(%zu) = %zu wastes more than an eighth", bytes, taken);
    LATENT_CHECK(memory::classBytes(taken) == taken, "classBytes(%zu) = %zu is not its own class", bytes, taken);
    previous = taken;
  }
}

void reuse() {
  memory::trim();
  for (size_t bytes : {size_t(0), size_t(1), size_t(64), size_t(65), size_t(1000), size_t(100000), size_t(3) << 20}) {
    void* a = memory::take(bytes);
    void* b = memory::take(bytes);
    LATENT_CHECK(a != nullptr && b != nullptr && a != b, "take(%zu)", bytes);
    LATENT_CHECK(reinterpret_cast<uintptr_t>(a) % 64 == 0 && reinterpret_cast<uintptr_t>(b) % 64 == 0,
                 "take(%zu) is not aligned", bytes);
    std::memset(a, 1, memory::classBytes(bytes));
    std::memset(b, 2, memory::classBytes(bytes));
    const int64_t pooled = memory::pooledBytes();
    memory::give(a, bytes);
    memory::give(b, bytes);
    LATENT_CHECK(memory::pooledBytes() == pooled + 2 * static_cast<int64_t>(memory::classBytes(bytes)),
                 "pooledBytes() after giving two of %zu", bytes);
    void* first = memory::take(bytes);
    void* second = memory::take(bytes);
    LATENT_CHECK(first == b && second == a, "%zu bytes: the last block given does not come back first", bytes);
    LATENT_CHECK(memory::pooledBytes() == pooled, "pooledBytes() after taking them back");
    memory::give(first, bytes);
    memory::give(second, bytes);
  }
  LATENT_CHECK(memory::pooledBytes() > 0, "nothing was pooled");
  memory::trim();
  LATENT_CHECK(memory::pooledBytes() == 0, "%lld bytes after trim()", static_cast<long long>(memory::pooledBytes()));
}

void limit() {
  const int64_t usual = memory::limit();
  LATENT_CHECK(usual > 0, "limit() is %lld", static_cast<long long>(usual));
  memory::trim();
  const int64_t mebibyte = int64_t(1) << 20;
  memory::setLimit(mebibyte);
  LATENT_CHECK(memory::limit() == mebibyte, "limit() is %lld", static_cast<long long>(memory::limit()));
  const size_t half = size_t(1) << 19;
  void* first = memory::take(half);
  LATENT_CHECK(first != nullptr, "half of the limit was refused");
  LATENT_CHECK(memory::take(half + 1) == nullptr, "more than is left was granted");
  LATENT_CHECK(memory::take(size_t(1) << 40) == nullptr, "a tebibyte was granted");
  // The refusals took nothing: the other half is still there.
  void* second = memory::take(half);
  LATENT_CHECK(second != nullptr, "the other half was refused");
  LATENT_CHECK(memory::take(1) == nullptr, "a byte past the limit was granted");
  memory::give(first, half);
  memory::give(second, half);
  // Pooled blocks of another class give way before a request is refused.
  void* whole = memory::take(size_t(1) << 20);
  LATENT_CHECK(whole != nullptr && memory::pooledBytes() == 0, "pooled blocks stood in the way");
  if (whole != nullptr) memory::give(whole, size_t(1) << 20);
  memory::setLimit(0);
  LATENT_CHECK(memory::limit() == usual, "setLimit(0) gives %lld", static_cast<long long>(memory::limit()));
  for (size_t bytes : {~size_t(0), ~size_t(0) / 2, (size_t(1) << 53) + 1, size_t(1) << 53}) {
    LATENT_CHECK(memory::take(bytes) == nullptr, "%zu bytes were granted", bytes);
  }
}

// The pool keeps as many bytes as were live at once lately, and its own thread gives them back after two periods.
void lately() {
  constexpr size_t half = size_t(150) << 20;
  const auto used = [&] {
    void* first = memory::take(half);
    void* second = memory::take(half);
    LATENT_CHECK(first != nullptr && second != nullptr, "no memory");
    memory::give(first, half);
    memory::give(second, half);
    return second;
  };
  const int64_t both = 2 * static_cast<int64_t>(memory::classBytes(half));
  memory::trim();
  void* const last = used();
  LATENT_CHECK(memory::pooledBytes() >= both, "%lld bytes are kept", static_cast<long long>(memory::pooledBytes()));
  void* const again = memory::take(half);
  LATENT_CHECK(again == last, "what was just given back isn't reused");
  memory::give(again, half);
  // More than was ever live at once is not kept.
  void* const other = memory::take(size_t(100) << 20);
  memory::give(other, size_t(100) << 20);
  LATENT_CHECK(memory::pooledBytes() <= both, "%lld bytes are kept of %lld", static_cast<long long>(memory::pooledBytes()),
               static_cast<long long>(both));
  memory::trim();
  memory::setPeriod(20);
  used();
  for (int i = 0; i < 2000 && memory::pooledBytes() >= both; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  LATENT_CHECK(memory::pooledBytes() < both, "what nobody uses is kept");
  memory::setPeriod(0);
  memory::trim();
}

bool granted(size_t bytes = 100) {
  void* block = memory::take(bytes);
  if (block != nullptr) memory::give(block, bytes);
  return block != nullptr;
}

void refusals() {
  for (int64_t n = 1; n <= 4; ++n) {
    for (bool always : {false, true}) {
      memory::refuseAfter(n, always);
      for (int64_t i = 1; i <= 8; ++i) {
        const bool expected = always ? i < n : i != n;
        LATENT_CHECK(granted() == expected, "request %lld after refuseAfter(%lld, %d)", static_cast<long long>(i),
                     static_cast<long long>(n), always);
      }
      memory::refuseAfter(0, false);
      LATENT_CHECK(granted(), "refuseAfter(0) does not stop the refusals");
    }
  }
  Account account;
  memory::refuseAfter(1, false);
  LATENT_CHECK(Storage::create(&account, 100) == nullptr && account.live == 0, "a refused storage is counted");
  memory::refuseAfter(0, false);
}

int64_t counted(size_t bytes) { return static_cast<int64_t>(memory::classBytes(bytes)); }

// A form that is read stays as it is while the weight's next version is packed.
void packedWhileRead() {
  Account account;
  Storage* const weight = Storage::create(&account, 1000);
  LATENT_CHECK(weight != nullptr, "no storage");
  if (weight == nullptr) return;
  weight->keepPacked();
  const PackedForm form{PackedForm::Use::kProduct, 10, 25, 25, 1, 0};
  const auto packed = [&](int value) {
    return weight->packedFor(form, 700, true, [&](void* room) { std::memset(room, value, 700); });
  };
  {
    const Packed before = packed(1);
    weight->touch();
    const Packed after = packed(2);
    LATENT_CHECK(before.data() != nullptr && static_cast<const char*>(before.data())[0] == 1,
                 "what is read was packed over");
    LATENT_CHECK(after.data() != nullptr && static_cast<const char*>(after.data())[0] == 2,
                 "the next version isn't packed");
  }
  weight->release();
  LATENT_CHECK(account.live == 0, "%lld bytes stay counted", static_cast<long long>(account.live));
}

void storages() {
  Account account;
  Storage* storage = Storage::create(&account, 1000);
  LATENT_CHECK(storage != nullptr, "no storage");
  if (storage == nullptr) return;
  LATENT_CHECK(account.live == counted(1000) && storage->bytes() == 1000, "%lld bytes are counted",
               static_cast<long long>(account.live));
  LATENT_CHECK(storage->exclusive(), "one owner");
  storage->retain();
  LATENT_CHECK(!storage->exclusive(), "two owners");
  storage->release();
  LATENT_CHECK(storage->exclusive() && account.live == counted(1000), "one owner again");
  const uint32_t version = storage->version();
  storage->touch();
  LATENT_CHECK(storage->version() != version, "touch() leaves the version");
  int packings = 0;
  const auto packed = [&](const PackedForm& form, size_t bytes, bool atOnce) {
    return storage
        ->packedFor(form, bytes, atOnce,
                    [&](void* room) {
                      ++packings;
                      std::memset(room, packings, bytes);
                    })
        .data();
  };
  const PackedForm forward{PackedForm::Use::kProduct, 10, 25, 25, 1, 0};
  const PackedForm backward{PackedForm::Use::kProduct, 25, 10, 1, 25, 0};
  LATENT_CHECK(!storage->keepsPacked() && packed(forward, 2000, true) == nullptr, "a storage keeps packed forms unasked");
  storage->keepPacked();
  LATENT_CHECK(storage->keepsPacked(), "keepPacked()");

  LATENT_CHECK(packed(forward, 2000, false) == nullptr && packings == 0, "a version that is read once is packed");
  const void* first = packed(forward, 2000, false);
  LATENT_CHECK(first != nullptr && packings == 1, "a version that is read again isn't packed");
  const void* second = packed(backward, 3000, true);
  LATENT_CHECK(second != nullptr && second != first && packings == 2, "one that is to be packed at once isn't");
  LATENT_CHECK(account.live == counted(1000) + counted(2000) + counted(3000), "packed forms are counted: %lld",
               static_cast<long long>(account.live));
  LATENT_CHECK(packed(forward, 2000, false) == first && packed(backward, 3000, false) == second && packings == 2,
               "a form isn't found again");
  const PackedForm others[] = {
      {PackedForm::Use::kFilters, 10, 25, 25, 1, 0}, {PackedForm::Use::kProduct, 11, 25, 25, 1, 0},
      {PackedForm::Use::kProduct, 10, 24, 25, 1, 0}, {PackedForm::Use::kProduct, 10, 25, 26, 1, 0},
      {PackedForm::Use::kProduct, 10, 25, 25, 2, 0}, {PackedForm::Use::kProduct, 10, 25, 25, 1, 1}};
  for (const PackedForm& form : others) {
    LATENT_CHECK(packed(form, 2000, false) == nullptr, "another reading is taken for one that is packed");
    LATENT_CHECK(packed(forward, 2000, false) == first, "another reading drives out the first");
  }
  storage->touch();
  LATENT_CHECK(packed(forward, 2000, false) == nullptr && packings == 2, "what was packed of an older version is given");
  LATENT_CHECK(packed(forward, 2000, false) != nullptr && packings == 3, "a new version isn't packed");
  LATENT_CHECK(packed(backward, 500, true) != nullptr && account.live == counted(1000) + counted(2000) + counted(500),
               "a form that changes its size: %lld", static_cast<long long>(account.live));
  storage->touch();
  memory::refuseAfter(1, false);
  LATENT_CHECK(packed(backward, 9000, true) == nullptr && account.live == counted(1000) + counted(2000),
               "a form refused: %lld", static_cast<long long>(account.live));
  memory::refuseAfter(0, false);
  storage->dropPacked();
  LATENT_CHECK(account.live == counted(1000), "dropPacked() leaves %lld", static_cast<long long>(account.live));
  LATENT_CHECK(packed(forward, 2000, true) != nullptr, "a form after dropPacked()");
  storage->release();
  LATENT_CHECK(account.live == 0, "%lld bytes stay counted", static_cast<long long>(account.live));
  LATENT_CHECK(account.peak == counted(1000) + counted(2000) + counted(3000), "the peak is %lld",
               static_cast<long long>(account.peak));
}

// Threads that make, share and drop storages at once. Each block is filled by its owner and read again before it
// goes: two owners of one block would see each other's bytes.
void manyThreads() {
  Account account;
  std::atomic<int64_t> torn{0}, refused{0};
  Storage* shared = Storage::create(&account, 4096);
  LATENT_CHECK(shared != nullptr, "no storage");
  if (shared == nullptr) return;
  std::vector<std::thread> workers;
  for (int t = 0; t < 4; ++t) {
    workers.emplace_back([&, t] {
      Generator random(static_cast<uint64_t>(t) + 1);
      std::vector<Storage*> held(16, nullptr);
      auto drop = [&](Storage*& storage) {
        if (storage == nullptr) return;
        for (size_t i = 0; i < storage->bytes(); i += 61) torn += storage->data()[i] != static_cast<char>(t + 1);
        storage->release();
        storage = nullptr;
      };
      for (int round = 0; round < 10000; ++round) {
        Storage*& place = held[static_cast<size_t>(random.below(16))];
        drop(place);
        place = Storage::create(&account, static_cast<size_t>(random.below(random.below(8) == 0 ? 30000 : 400)));
        if (place == nullptr) {
          ++refused;
          continue;
        }
        std::memset(place->data(), t + 1, place->bytes());
        if (round % 16 == 0) {
          place->keepPacked();
          const PackedForm form{PackedForm::Use::kProduct, 3, 4, 4, 1, round};
          const Packed packed = place->packedFor(form, 700, true, [&](void* room) { std::memset(room, t + 1, 700); });
          if (packed.data() == nullptr) ++refused;
        }
        shared->retain();
        shared->release();
      }
      for (Storage*& storage : held) drop(storage);
    });
  }
  for (std::thread& worker : workers) worker.join();
  LATENT_CHECK(torn == 0 && refused == 0, "%lld bytes of another thread, %lld refusals",
               static_cast<long long>(torn.load()), static_cast<long long>(refused.load()));
  LATENT_CHECK(shared->exclusive(), "the shared storage has lost or gained an owner");
  shared->release();
  LATENT_CHECK(account.live == 0, "%lld bytes stay counted", static_cast<long long>(account.live));
}

// Memory that other threads keep for themselves does not count against the limit: nobody uses it.
void keptByOthers() {
  memory::trim();
  std::atomic<int> ready{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> others;
  for (int t = 0; t < 8; ++t) {
    others.emplace_back([&] {
      std::vector<void*> blocks(4000);
      for (void*& block : blocks) block = memory::take(256);
      for (void* block : blocks) memory::give(block, 256);
      ++ready;
      while (!done) std::this_thread::yield();
    });
  }
  while (ready < 8) std::this_thread::yield();
  memory::setLimit(int64_t(8) << 20);
  void* block = memory::take(size_t(6) << 20);
  LATENT_CHECK(block != nullptr, "idle blocks of other threads stood in the way");
  if (block != nullptr) memory::give(block, size_t(6) << 20);
  memory::setLimit(0);
  done = true;
  for (std::thread& other : others) other.join();
}

// But what they keep does not pass by a limit that lies below what is in use.
void keptUnderALimit() {
  memory::trim();
  std::atomic<int> stage{0};
  std::thread other([&] {
    void* kept = memory::take(256);
    memory::give(kept, 256);
    stage = 1;
    while (stage != 2) std::this_thread::yield();
    void* block = memory::take(256);
    LATENT_CHECK(block == nullptr, "a block that a thread had kept passed by the limit");
    if (block != nullptr) memory::give(block, 256);
  });
  while (stage != 1) std::this_thread::yield();
  constexpr size_t kInUse = size_t(16) << 20;
  void* inUse = memory::take(kInUse);
  memory::setLimit(static_cast<int64_t>(kInUse / 2));
  stage = 2;
  other.join();
  memory::setLimit(0);
  memory::give(inUse, kInUse);
  memory::trim();
}

// A pool full of one size makes room for the size that is in use now: else each of its blocks would come from the system.
void poolFollowsTheProgram() {
  memory::trim();
  constexpr size_t kLarge = size_t(60) << 20, kNow = size_t(4) << 20;
  void* large[] = {memory::take(kLarge), memory::take(kLarge)};
  for (void* block : large) {
    LATENT_CHECK(block != nullptr, "no memory");
    memory::give(block, kLarge);
  }
  const int64_t full = memory::pooledBytes(), now = static_cast<int64_t>(memory::classBytes(kNow));
  for (int round = 0; round < 3; ++round) {
    void* blocks[10];
    for (void*& block : blocks) block = memory::take(kNow);
    for (void* block : blocks) memory::give(block, kNow);
    LATENT_CHECK(memory::pooledBytes() <= full + 2 * now, "%lld bytes are pooled",
                 static_cast<long long>(memory::pooledBytes()));
    const int64_t before = memory::pooledBytes();
    for (void*& block : blocks) block = memory::take(kNow);
    LATENT_CHECK(memory::pooledBytes() == before - 10 * now, "round %d: %lld of %lld bytes came from the pool", round,
                 static_cast<long long>(before - memory::pooledBytes()), static_cast<long long>(10 * now));
    for (void* block : blocks) memory::give(block, kNow);
  }
  memory::trim();
}

}  // namespace

int main() {
  sizeClasses();
  reuse();
  limit();
  lately();
  refusals();
  storages();
  packedWhileRead();
  manyThreads();
  poolFollowsTheProgram();
  keptByOthers();
  keptUnderALimit();
  return finish("test_memory");
}
