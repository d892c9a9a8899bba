// JavaScript's hand on allocations.cc, which is a library of its own: one that is loaded before all others must not have the
// entry of an addon, or others would be taken for it.
//
//   begin(path, k, always)  raises where no library of that path is loaded
//   end()                   answers how many requests there were
#include <dlfcn.h>
#include <node_api.h>

#include <climits>

#include "allocations.h"

namespace {

// A function of the library that was loaded first; null where it was not.
template <class F>
F* found(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_DEFAULT, name));
}

napi_value begin(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value given[3];
  char path[PATH_MAX];
  size_t length = 0;
  int64_t k = 0;
  bool goesOn = false;
  const bool read = napi_get_cb_info(env, info, &count, given, nullptr, nullptr) == napi_ok && count == 3 &&
                    napi_get_value_string_utf8(env, given[0], path, sizeof path, &length) == napi_ok &&
                    napi_get_value_int64(env, given[1], &k) == napi_ok &&
                    napi_get_value_bool(env, given[2], &goesOn) == napi_ok;
  const auto watch = found<decltype(latentFaultsBegin)>("latentFaultsBegin");
  if (!read || watch == nullptr || !watch(path, k, goesOn)) {
    napi_throw_error(env, nullptr,
                     "begin takes the path of a library that is loaded, a number and whether all fail after it");
  }
  return nullptr;
}

napi_value end(napi_env env, napi_callback_info) {
  const auto stop = found<decltype(latentFaultsEnd)>("latentFaultsEnd");
  napi_value number = nullptr;
  napi_create_int64(env, stop == nullptr ? -1 : stop(), &number);
  return number;
}

napi_value initialize(napi_env env, napi_value exports) {
  const auto add = [&](const char* name, napi_callback f) {
    napi_value made;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, f, nullptr, &made) == napi_ok) {
      napi_set_named_property(env, exports, name, made);
    }
  };
  add("begin", begin);
  add("end", end);
  return exports;
}

}  // namespace

NAPI_MODULE(latent_faults, initialize)
