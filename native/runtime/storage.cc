#include "storage.h"

#include <new>

namespace latent {
namespace {

constexpr int kPackedForms = 2;
constexpr int kRecycled = 4096;

// Freed headers of one thread, linked through their first word.
struct Recycler {
  void* first = nullptr;
  int count = 0;
  ~Recycler() {
    while (first != nullptr) {
      void* next = *static_cast<void**>(first);
      ::operator delete(first);
      first = next;
    }
  }
};
thread_local Recycler recycler;

}  // namespace

void* Storage::operator new(size_t bytes, const std::nothrow_t&) noexcept {
  Recycler& r = recycler;
  if (r.first == nullptr) return ::operator new(bytes, std::nothrow);
  void* memory = r.first;
  r.first = *static_cast<void**>(memory);
  --r.count;
  return memory;
}

void Storage::operator delete(void* memory) noexcept {
  Recycler& r = recycler;
  if (r.count == kRecycled) {
    ::operator delete(memory);
    return;
  }
  *static_cast<void**>(memory) = r.first;
  r.first = memory;
  ++r.count;
}

Storage* Storage::create(Account* account, size_t bytes) noexcept {
  char* data = static_cast<char*>(memory::take(bytes));
  if (data == nullptr) return nullptr;
  Storage* storage = new (std::nothrow) Storage;
  if (storage == nullptr) {
    memory::give(data, bytes);
    return nullptr;
  }
  storage->data_ = data;
  storage->bytes_ = bytes;
  storage->account_ = account;
  account->add(static_cast<int64_t>(memory::classBytes(bytes)));
  return storage;
}

void Storage::release() noexcept {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  dropPacked();
  account_->subtract(static_cast<int64_t>(memory::classBytes(bytes_)));
  memory::give(data_, bytes_);
  delete this;
}

PackedWeight* Storage::placeFor(const PackedForm& form) noexcept {
  if (packed_ == nullptr) packed_ = new (std::nothrow) PackedWeight[kPackedForms];
  if (packed_ == nullptr) return nullptr;
  for (int i = 0; i < kPackedForms; ++i) {
    if (packed_[i].form == form) return &packed_[i];
  }
  PackedWeight* place = packed_[0].data == nullptr ? &packed_[0] : &packed_[1];
  // An older reading of the second place gives way; another version than the weight's marks it as not yet packed.
  place->form = form;
  place->version = version_ - 1;
  place->readVersion = version_ - 1;
  return place;
}

bool Storage::reservePacked(PackedWeight* packed, size_t bytes) noexcept {
  if (packed->data != nullptr && packed->bytes == bytes) return true;
  if (packed->data != nullptr) {
    account_->subtract(static_cast<int64_t>(memory::classBytes(packed->bytes)));
    memory::give(packed->data, packed->bytes);
  }
  packed->data = memory::take(bytes);
  if (packed->data == nullptr) {
    *packed = PackedWeight{};
    return false;
  }
  packed->bytes = bytes;
  account_->add(static_cast<int64_t>(memory::classBytes(bytes)));
  return true;
}

void Storage::dropPacked() noexcept {
  if (packed_ == nullptr) return;
  for (int i = 0; i < kPackedForms; ++i) {
    if (packed_[i].data == nullptr) continue;
    account_->subtract(static_cast<int64_t>(memory::classBytes(packed_[i].bytes)));
    memory::give(packed_[i].data, packed_[i].bytes);
  }
  delete[] packed_;
  packed_ = nullptr;
}

}  // namespace latent
