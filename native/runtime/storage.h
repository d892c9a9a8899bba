// A counted buffer and the strided windows onto it.
#pragma once

#include <atomic>
#include <cstring>
#include <new>

#include "dtype.h"
#include "memory.h"

namespace latent {

constexpr int kMaxRank = 8;

// How a weight is read, which decides how it is packed.
struct PackedForm {
  enum class Use { kProduct, kFilters };
  Use use = Use::kProduct;
  int64_t depth = 0, columns = 0, depthStride = 0, columnStride = 0;
  int64_t offset = 0;

  bool operator==(const PackedForm& other) const {
    return use == other.use && depth == other.depth && columns == other.columns && depthStride == other.depthStride &&
           columnStride == other.columnStride && offset == other.offset;
  }
};

// A weight packed for products, kept beside it while its version stands.
struct PackedWeight {
  void* data = nullptr;
  size_t bytes = 0;
  uint32_t version = 0;
  uint32_t readVersion = 0;  // the version that was read last, packed or not
  PackedForm form;
};

class Storage {
 public:
  static Storage* create(Account* account, size_t bytes) noexcept;

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept;
  bool exclusive() const { return refs_.load(std::memory_order_acquire) == 1; }

  char* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  uint32_t version() const { return version_; }
  void touch() { ++version_; }

  // Whether products should keep this buffer's packed form (parameters: read many times per change).
  void keepPacked() { keepsPacked_ = true; }
  bool keepsPacked() const { return keepsPacked_; }
  // The weight packed by pack(room), `bytes` long, where it is kept; null where it isn't, or memory is short. A version that
  // is read for the first time is packed only with `atOnce`: in training there is no second time.
  template <class Pack>
  const void* packedFor(const PackedForm& form, size_t bytes, bool atOnce, Pack&& pack) {
    PackedWeight* const place = keepsPacked_ ? placeFor(form) : nullptr;
    if (place == nullptr) return nullptr;
    if (place->data != nullptr && place->version == version_ && place->bytes == bytes) return place->data;
    const bool again = place->readVersion == version_;
    place->readVersion = version_;
    if (!(again || atOnce) || !reservePacked(place, bytes)) return nullptr;
    pack(place->data);
    place->version = version_;
    return place->data;
  }
  void dropPacked() noexcept;

 private:
  // One of two places, as forward and backward read a weight differently. Null when memory is short.
  PackedWeight* placeFor(const PackedForm& form) noexcept;
  // Makes room for `bytes` of packed weight; false when memory is short.
  bool reservePacked(PackedWeight* packed, size_t bytes) noexcept;

  Storage() = default;
  ~Storage() = default;

  // Made and dropped with every tensor: recycled per thread, which the general allocator is ten times slower at.
  static void* operator new(size_t bytes, const std::nothrow_t&) noexcept;
  static void operator delete(void* memory) noexcept;
  static void operator delete(void* memory, const std::nothrow_t&) noexcept { operator delete(memory); }

  std::atomic<int> refs_{1};
  uint32_t version_ = 0;
  char* data_ = nullptr;
  size_t bytes_ = 0;
  Account* account_ = nullptr;
  PackedWeight* packed_ = nullptr;  // kPackedForms of them, once a form is kept
  bool keepsPacked_ = false;
};

// A strided window; strides count elements.
struct View {
  Storage* storage = nullptr;
  char* data = nullptr;
  DType dtype = DType::kFloat32;
  int rank = 0;
  int64_t shape[kMaxRank];
  int64_t stride[kMaxRank];

  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= shape[i];
    return n;
  }
  bool contiguous() const {
    int64_t expected = 1;
    for (int i = rank - 1; i >= 0; --i) {
      if (shape[i] != 1 && stride[i] != expected) return false;
      expected *= shape[i];
    }
    return true;
  }
  void setContiguousStrides() {
    int64_t step = 1;
    for (int i = rank - 1; i >= 0; --i) {
      stride[i] = step;
      step *= shape[i];
    }
  }
  bool sameShape(const View& other) const {
    if (rank != other.rank) return false;
    for (int i = 0; i < rank; ++i) {
      if (shape[i] != other.shape[i]) return false;
    }
    return true;
  }
  template <class T>
  T* as() const { return reinterpret_cast<T*>(data); }
};

}  // namespace latent
