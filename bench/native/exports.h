// What the addons export of jobs, and how C++ exceptions become JavaScript's.
#pragma once

#include <napi.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

#include "job.h"

namespace latent_bench {

using Clock = std::chrono::steady_clock;

inline Napi::Value wrap(Napi::Env env, std::unique_ptr<Job> job) {
  return Napi::External<Job>::New(env, job.release(), [](Napi::Env, Job* done) { delete done; });
}

inline Job& jobOf(const Napi::CallbackInfo& info) { return *info[0].As<Napi::External<Job>>().Data(); }

template <class T>
const T* operand(const Napi::Value& value, int64_t size) {
  const Napi::TypedArray array = value.As<Napi::TypedArray>();
  if (static_cast<int64_t>(array.ElementLength()) != size || array.ElementSize() != sizeof(T)) {
    throw std::invalid_argument("an operand doesn't have the size or the type of its shape");
  }
  return reinterpret_cast<const T*>(static_cast<char*>(array.ArrayBuffer().Data()) + array.ByteOffset());
}

template <Napi::Value (*kBody)(const Napi::CallbackInfo&)>
Napi::Value translated(const Napi::CallbackInfo& info) {
  try {
    return kBody(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

// time(job, iterations, warmup): seconds that the iterations took, after those that only warm up.
inline Napi::Value time(const Napi::CallbackInfo& info) {
  Job& job = jobOf(info);
  const int64_t iterations = info[1].ToNumber().Int64Value();
  for (int64_t i = info[2].ToNumber().Int64Value(); i > 0; --i) job.run();
  const auto start = Clock::now();
  for (int64_t i = 0; i < iterations; ++i) job.run();
  return Napi::Number::New(info.Env(), std::chrono::duration<double>(Clock::now() - start).count());
}

// result(job, typedArray): runs once and copies what it left.
inline Napi::Value result(const Napi::CallbackInfo& info) {
  Job& job = jobOf(info);
  const Napi::TypedArray out = info[1].As<Napi::TypedArray>();
  if (job.result() == nullptr || out.ByteLength() != job.resultBytes()) {
    throw std::invalid_argument("the job leaves no result of this size");
  }
  job.run();
  std::memcpy(static_cast<char*>(out.ArrayBuffer().Data()) + out.ByteOffset(), job.result(), job.resultBytes());
  return info.Env().Undefined();
}

inline void exportJobs(Napi::Env env, Napi::Object exports) {
  exports.Set("time", Napi::Function::New<translated<time>>(env));
  exports.Set("result", Napi::Function::New<translated<result>>(env));
}

}  // namespace latent_bench
