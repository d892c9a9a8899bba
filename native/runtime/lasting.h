// An object of the whole process that is never destroyed: threads may use it while the process exits, and an environment
// that is last to end may be a worker's, after main's static destructors. It lies where it is declared, so that its first use
// asks for no memory.
#pragma once

#include <new>

namespace latent {

template <class T>
class Lasting {
 public:
  Lasting() { new (room_) T; }
  Lasting(const Lasting&) = delete;
  Lasting& operator=(const Lasting&) = delete;
  T& operator*() { return *std::launder(reinterpret_cast<T*>(room_)); }

 private:
  alignas(T) unsigned char room_[sizeof(T)];
};

}  // namespace latent
