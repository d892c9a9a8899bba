// The operators new and delete, for this library alone. Where libc++ is linked in, its own ones would be exported as weak
// symbols, and macOS would bind them to those of another library in the process. Compiled with
// -fvisibility-global-new-delete=force-hidden.
#include <cstdlib>
#include <new>

namespace {

// Null when the memory is short and no handler is left to free some.
void* allocate(std::size_t size, std::size_t alignment) {
  const std::size_t wanted = size == 0 ? alignment : (size + alignment - 1) / alignment * alignment;
  if (wanted < size) return nullptr;
  for (;;) {
    void* const memory =
        alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__ ? std::malloc(wanted) : std::aligned_alloc(alignment, wanted);
    if (memory != nullptr) return memory;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) return nullptr;
    handler();
  }
}

void* allocateOrThrow(std::size_t size, std::size_t alignment) {
  void* const memory = allocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

constexpr std::size_t kDefault = 1;

std::size_t of(std::align_val_t alignment) { return static_cast<std::size_t>(alignment); }

}  // namespace

void* operator new(std::size_t n) { return allocateOrThrow(n, kDefault); }
void* operator new[](std::size_t n) { return allocateOrThrow(n, kDefault); }
void* operator new(std::size_t n, std::align_val_t a) { return allocateOrThrow(n, of(a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return allocateOrThrow(n, of(a)); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return allocate(n, kDefault); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return allocate(n, kDefault); }
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept { return allocate(n, of(a)); }
void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept { return allocate(n, of(a)); }

void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
