#include "storage.h"

#include <new>

namespace latent {
namespace {

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
  delete packed_;
  account_->subtract(static_cast<int64_t>(memory::classBytes(bytes_)));
  memory::give(data_, bytes_);
  delete this;
}

void Storage::keepPacked() noexcept {
  keepsPacked_ = true;
  if (packed_ == nullptr) packed_ = new (std::nothrow) PackedForms;
}

Storage::PackedWeight& Storage::placeFor(const PackedForm& form) noexcept {
  PackedWeight* const places = packed_->places;
  for (int i = 0; i < kPackedForms; ++i) {
    if (places[i].form == form) return places[i];
  }
  PackedWeight& place = places[0].buffer == nullptr ? places[0] : places[1];
  // An older reading of the second place gives way; another version than the weight's marks it as not yet packed.
  place.form = form;
  place.version = version_ - 1;
  place.readVersion = version_ - 1;
  return place;
}

bool Storage::reservePacked(PackedWeight& packed, size_t bytes) noexcept {
  if (packed.buffer != nullptr && packed.buffer->bytes() == bytes && packed.buffer->exclusive()) return true;
  if (packed.buffer != nullptr) packed.buffer->release();
  packed.buffer = PackedBuffer::create(account_, bytes);
  if (packed.buffer != nullptr) return true;
  packed = PackedWeight{};
  return false;
}

void Storage::dropPacked() noexcept {
  if (packed_ == nullptr) return;
  const std::lock_guard<std::mutex> lock(packed_->mutex);
  for (PackedWeight& place : packed_->places) {
    if (place.buffer != nullptr) place.buffer->release();
    place = PackedWeight{};
  }
}

PackedBuffer* PackedBuffer::create(Account* account, size_t bytes) noexcept {
  void* data = memory::take(bytes);
  if (data == nullptr) return nullptr;
  PackedBuffer* buffer = new (std::nothrow) PackedBuffer;
  if (buffer == nullptr) {
    memory::give(data, bytes);
    return nullptr;
  }
  buffer->data_ = data;
  buffer->bytes_ = bytes;
  buffer->account_ = account;
  account->add(static_cast<int64_t>(memory::classBytes(bytes)));
  return buffer;
}

void PackedBuffer::release() noexcept {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  account_->subtract(static_cast<int64_t>(memory::classBytes(bytes_)));
  memory::give(data_, bytes_);
  delete this;
}

}  // namespace latent
