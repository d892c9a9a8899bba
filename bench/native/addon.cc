// The exports: makers of jobs, and one loop that times any of them.
#include <string>

#include "../../native/runtime/cpu.h"
#include "../../native/runtime/threads.h"
#include "blas.h"
#include "exports.h"
#include "product.h"
#include "roof.h"

namespace latent_bench {
namespace {

ProductShape shapeOf(const Napi::Object& o) {
  const auto whole = [&](const char* name) { return o.Get(name).ToNumber().Int64Value(); };
  return {
      whole("m"), whole("n"), whole("k"), whole("batch"), o.Get("transposeA").ToBoolean(), o.Get("transposeB").ToBoolean()};
}

// libraryProduct(shape, a, b, packed): a job. Operands are Float32Array or both Float64Array.
Napi::Value makeLibraryProduct(const Napi::CallbackInfo& info) {
  const ProductShape shape = shapeOf(info[0].As<Napi::Object>());
  const bool packed = info[3].ToBoolean();
  if (info[1].As<Napi::TypedArray>().TypedArrayType() == napi_float64_array) {
    return wrap(info.Env(), libraryProduct<double>(shape, operand<double>(info[1], shape.aSize()),
                                                   operand<double>(info[2], shape.bSize()), packed));
  }
  return wrap(info.Env(), libraryProduct<float>(shape, operand<float>(info[1], shape.aSize()),
                                                operand<float>(info[2], shape.bSize()), packed));
}

// openBlas(path): what the next two take. The library stays for as long as the process.
Napi::Value openBlas(const Napi::CallbackInfo& info) {
  return Napi::External<Blas>::New(info.Env(), new Blas(info[0].ToString().Utf8Value()),
                                   [](Napi::Env, Blas* done) { delete done; });
}

Blas& blasOf(const Napi::CallbackInfo& info) { return *info[0].As<Napi::External<Blas>>().Data(); }

Napi::Value blasVersion(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), blasOf(info).version()); }

// blasProduct(blas, shape, a, b, prepacks, packed): a job; null when the library has no product of that type.
Napi::Value makeBlasProduct(const Napi::CallbackInfo& info) {
  const Blas& blas = blasOf(info);
  const ProductShape shape = shapeOf(info[1].As<Napi::Object>());
  const bool prepacks = info[4].ToBoolean(), packed = info[5].ToBoolean();
  if (info[2].As<Napi::TypedArray>().TypedArrayType() == napi_float64_array) {
    if (!blas.hasDouble()) return info.Env().Null();
    return wrap(info.Env(), blas.product<double>(shape, operand<double>(info[2], shape.aSize()),
                                                 operand<double>(info[3], shape.bSize()), prepacks, packed));
  }
  return wrap(info.Env(), blas.product<float>(shape, operand<float>(info[2], shape.aSize()),
                                              operand<float>(info[3], shape.bSize()), prepacks, packed));
}

Napi::Value withWork(Napi::Env env, std::unique_ptr<Job> job, double work) {
  Napi::Object made = Napi::Object::New(env);
  made.Set("job", wrap(env, std::move(job)));
  made.Set("work", work);
  return made;
}

// fmaPeak(threads): { job, work in flops of float32 }
Napi::Value makePeak(const Napi::CallbackInfo& info) {
  Peak peak = fmaPeak(info[0].ToNumber().Int32Value());
  return withWork(info.Env(), std::move(peak.job), peak.flops);
}

// stream(kind, bytes, threads): { job, work in bytes }
Napi::Value makeStream(const Napi::CallbackInfo& info) {
  Stream made = stream(info[0].ToString().Utf8Value(), static_cast<size_t>(info[1].ToNumber().Int64Value()),
                       info[2].ToNumber().Int32Value());
  return withWork(info.Env(), std::move(made.job), made.bytes);
}

Napi::Value setThreads(const Napi::CallbackInfo& info) {
  latent::threads::setCount(info[0].ToNumber().Int32Value());
  return info.Env().Undefined();
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("instructionSet", latent::kernels().name);
  exports.Set("libraryProduct", Napi::Function::New<translated<makeLibraryProduct>>(env));
  exports.Set("openBlas", Napi::Function::New<translated<openBlas>>(env));
  exports.Set("blasVersion", Napi::Function::New<translated<blasVersion>>(env));
  exports.Set("blasProduct", Napi::Function::New<translated<makeBlasProduct>>(env));
  exports.Set("fmaPeak", Napi::Function::New<translated<makePeak>>(env));
  exports.Set("stream", Napi::Function::New<translated<makeStream>>(env));
  exports.Set("setThreads", Napi::Function::New<translated<setThreads>>(env));
  exportJobs(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(latent_bench, initialize)

}  // namespace latent_bench
