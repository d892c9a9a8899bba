// The arguments of a call of the addon's functions. Reading them asks for no memory, however many arguments there are: a callback
// that lacks memory before it has begun could not answer.
#pragma once

#include <node_api.h>

#include <cmath>

#include "session.h"

namespace latent {

class Arguments {
 public:
  static constexpr size_t kMost = 8;

  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kMost;
    if (napi_get_cb_info(env, info, &count, values_, nullptr, &data_) == napi_ok) count_ = count < kMost ? count : kMost;
  }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  napi_env env() const { return env_; }
  // The data that the function was made with; null where the call cannot be read.
  void* data() const { return data_; }
  size_t count() const { return count_; }
  // Null where there are fewer.
  napi_value operator[](size_t index) const { return index < count_ ? values_[index] : nullptr; }
  bool is(size_t index, napi_valuetype type) const {
    napi_valuetype found = napi_undefined;
    return index < count_ && napi_typeof(env_, values_[index], &found) == napi_ok && found == type;
  }

 private:
  napi_env env_;
  void* data_ = nullptr;
  napi_value values_[kMost] = {};
  size_t count_ = 0;
};

inline Session& sessionOf(const Arguments& given) { return *static_cast<Session*>(given.data()); }

// 0 for what is no number.
inline int32_t intArgument(const Arguments& given, size_t index) {
  int32_t value = 0;
  return given[index] != nullptr && napi_get_value_int32(given.env(), given[index], &value) == napi_ok ? value : 0;
}

// NaN for what is no number.
inline double numberArgument(const Arguments& given, size_t index) {
  double value = NAN;
  return given[index] != nullptr && napi_get_value_double(given.env(), given[index], &value) == napi_ok ? value : NAN;
}

// The elements of a typed array of a dtype; false for anything else.
inline bool typedArrayOf(const Arguments& given, size_t index, DType& dtype, char*& data, size_t& length) {
  napi_typedarray_type type;
  void* start = nullptr;
  const napi_env env = given.env();
  const napi_value value = given[index];
  bool is = false;
  if (value == nullptr || napi_is_typedarray(env, value, &is) != napi_ok || !is) return false;
  if (napi_get_typedarray_info(env, value, &type, &length, &start, nullptr, nullptr) != napi_ok) return false;
  data = static_cast<char*>(start);
  switch (type) {
    case napi_float32_array: dtype = DType::kFloat32; return true;
    case napi_float64_array: dtype = DType::kFloat64; return true;
    case napi_int32_array: dtype = DType::kInt32; return true;
    case napi_uint8_array:
    case napi_uint8_clamped_array: dtype = DType::kUint8; return true;
    default: return false;
  }
}

// The bytes of an array buffer of this very length; false for anything else, and for one that could shrink, which would
// leave its user writing beside it.
inline bool bufferOf(const Arguments& given, size_t index, size_t bytes, void*& data) {
  const napi_env env = given.env();
  size_t length = 0;
  bool is = false, shrinks = false;
  napi_value resizable;
  if (given[index] == nullptr || napi_is_arraybuffer(env, given[index], &is) != napi_ok || !is) return false;
  if (napi_get_arraybuffer_info(env, given[index], &data, &length) != napi_ok || length != bytes) return false;
  if (napi_get_named_property(env, given[index], "resizable", &resizable) != napi_ok) return false;
  if (napi_coerce_to_bool(env, resizable, &resizable) != napi_ok) return false;
  return napi_get_value_bool(env, resizable, &shrinks) == napi_ok && !shrinks;
}

}  // namespace latent
