#include "temporaries.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace latent {

// By then Node's own work with files on other threads is done or given up: hooks run after that.
Temporaries::~Temporaries() {
  for (const std::string& path : paths_) {
    try {
      std::error_code error;  // one that was renamed, or never made, is not there
      std::filesystem::remove(std::filesystem::u8path(path), error);
    } catch (...) {}
  }
}

void Temporaries::hold(std::string path) { paths_.push_back(std::move(path)); }

void Temporaries::release(const std::string& path) {
  const auto found = std::find(paths_.begin(), paths_.end(), path);
  if (found != paths_.end()) paths_.erase(found);
}

}  // namespace latent
