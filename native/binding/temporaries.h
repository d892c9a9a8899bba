// The files that a thread has begun and not finished: removed when its environment ends, however it ends.
#pragma once

#include <string>
#include <vector>

namespace latent {

class Temporaries {
 public:
  Temporaries() = default;
  ~Temporaries();
  Temporaries(const Temporaries&) = delete;
  Temporaries& operator=(const Temporaries&) = delete;

  // The path is absolute and in UTF-8. To be called before the file is made.
  void hold(std::string path);
  void release(const std::string& path);

 private:
  std::vector<std::string> paths_;
};

}  // namespace latent
