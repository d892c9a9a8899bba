// What the addon's functions are called with.
#pragma once

#include <napi.h>

#include <cmath>

#include "session.h"

namespace latent {

inline Session& sessionOf(const Napi::CallbackInfo& info) { return *static_cast<Session*>(info.Data()); }

inline int32_t intArgument(const Napi::CallbackInfo& info, size_t index) {
  return info.Length() > index && info[index].IsNumber() ? info[index].As<Napi::Number>().Int32Value() : 0;
}

inline double numberArgument(const Napi::CallbackInfo& info, size_t index) {
  return info.Length() > index && info[index].IsNumber() ? info[index].As<Napi::Number>().DoubleValue() : NAN;
}

// The elements of a typed array of a dtype; false for anything else.
inline bool typedArrayOf(const Napi::Value& value, DType& dtype, char*& data, size_t& length) {
  napi_typedarray_type type;
  void* start = nullptr;
  napi_env env = value.Env();
  bool is = false;
  if (napi_is_typedarray(env, value, &is) != napi_ok || !is) return false;
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

}  // namespace latent
