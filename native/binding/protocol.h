// The numbers that JavaScript and the addon agree on. They are lists where they are defined, and JavaScript reads them from here.
#pragma once

#include <node_api.h>

#include "../kernels/kernels.h"

namespace latent {

// Of each update: ids (the weight, the gradient, what is kept, marked rows), and numbers in the order of readUpdateArgs.
constexpr size_t kUpdateIds = 3 + kMaxKept, kUpdateNumbers = 15;

// Sets `protocol` among the exports: an object of objects from names to numbers. False where memory is short.
bool addProtocol(napi_env env, napi_value exports);

}  // namespace latent
