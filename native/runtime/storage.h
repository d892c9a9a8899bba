// A counted buffer and the strided windows onto it.
#pragma once

#include <atomic>
#include <cstring>
#include <mutex>
#include <new>

#include "dtype.h"
#include "memory.h"

namespace latent {

constexpr int kMaxRank = 8;

// How a weight is read, which decides how it is packed.
struct PackedForm {
  enum class Use { kProduct, kFilters, kTurnedFilters };
  Use use = Use::kProduct;
  int64_t depth = 0, columns = 0, depthStride = 0, columnStride = 0;
  int64_t offset = 0;

  bool operator==(const PackedForm& other) const {
    return use == other.use && depth == other.depth && columns == other.columns && depthStride == other.depthStride &&
           columnStride == other.columnStride && offset == other.offset;
  }
};

// A counted buffer with a weight packed for products.
class PackedBuffer {
 public:
  static PackedBuffer* create(Account* account, size_t bytes) noexcept;
  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept;
  bool exclusive() const { return refs_.load(std::memory_order_acquire) == 1; }
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  std::atomic<int> refs_{1};
  void* data_ = nullptr;
  size_t bytes_ = 0;
  Account* account_ = nullptr;
};

// Holds a packed weight for as long as it is read, whatever becomes of the weight meanwhile.
class Packed {
 public:
  Packed() = default;
  explicit Packed(PackedBuffer* buffer) : buffer_(buffer) { buffer->retain(); }
  Packed(Packed&& other) noexcept : buffer_(other.buffer_) { other.buffer_ = nullptr; }
  Packed(const Packed&) = delete;
  Packed& operator=(const Packed&) = delete;
  ~Packed() {
    if (buffer_ != nullptr) buffer_->release();
  }
  // Null where nothing is kept.
  const void* data() const { return buffer_ == nullptr ? nullptr : buffer_->data(); }

 private:
  PackedBuffer* buffer_ = nullptr;
};

class Storage {
 public:
  static Storage* create(Account* account, size_t bytes) noexcept;

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept;
  bool exclusive() const { return refs_.load(std::memory_order_acquire) == 1; }

  char* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  // Whether its block was in use shortly before this was made, so that it lies in a cache and is best written plainly.
  bool isWarm() const { return isWarm_; }
  void setWarm() { isWarm_ = true; }
  uint32_t version() const { return version_; }
  void touch() { ++version_; }

  // Has products keep this buffer's packed form (parameters: read many times per change), where memory allows.
  void keepPacked() noexcept;
  // Whether keepPacked was called, by which products choose how they sum: whether memory allowed it changes no result.
  bool keepsPacked() const { return keepsPacked_; }
  // The weight packed by pack(room), `bytes` long, where it is kept; none where it isn't, or memory is short. A version that
  // is read for the first time is packed only with `atOnce`: in training there is no second time. From any thread: the first
  // one packs, others wait for it.
  template <class Pack>
  Packed packedFor(const PackedForm& form, size_t bytes, bool atOnce, Pack&& pack) {
    if (packed_ == nullptr) return {};
    const std::lock_guard<std::mutex> lock(packed_->mutex);
    PackedWeight& place = placeFor(form);
    if (place.buffer != nullptr && place.version == version_ && place.buffer->bytes() == bytes) return Packed(place.buffer);
    const bool again = place.readVersion == version_;
    place.readVersion = version_;
    if (!(again || atOnce) || !reservePacked(place, bytes)) return {};
    pack(place.buffer->data());
    place.version = version_;
    return Packed(place.buffer);
  }
  void dropPacked() noexcept;

  // Threads that read the buffer beside its owner: it must not be written meanwhile.
  void addReader() { readers_.fetch_add(1, std::memory_order_relaxed); }
  void dropReader() { readers_.fetch_sub(1, std::memory_order_release); }
  bool hasReaders() const { return readers_.load(std::memory_order_acquire) > 0; }

 private:
  static constexpr int kPackedForms = 2;

  // A form in which the weight is packed, while its version stands.
  struct PackedWeight {
    PackedBuffer* buffer = nullptr;
    uint32_t version = 0;
    uint32_t readVersion = 0;  // the version that was read last, packed or not
    PackedForm form;
  };
  // Two, as forward and backward read a weight differently.
  struct PackedForms {
    std::mutex mutex;
    PackedWeight places[kPackedForms];
  };

  PackedWeight& placeFor(const PackedForm& form) noexcept;
  // Makes room for `bytes` that nobody reads; false when memory is short.
  bool reservePacked(PackedWeight& packed, size_t bytes) noexcept;

  Storage() = default;
  ~Storage() = default;

  // Made and dropped with every tensor: recycled per thread, which the general allocator is ten times slower at.
  static void* operator new(size_t bytes, const std::nothrow_t&) noexcept;
  static void operator delete(void* memory) noexcept;
  static void operator delete(void* memory, const std::nothrow_t&) noexcept { operator delete(memory); }

  std::atomic<int> refs_{1}, readers_{0};
  uint32_t version_ = 0;
  char* data_ = nullptr;
  size_t bytes_ = 0;
  Account* account_ = nullptr;
  bool keepsPacked_ = false, isWarm_ = false;
  PackedForms* packed_ = nullptr;
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
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
};

}  // namespace latent
