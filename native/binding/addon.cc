// The addon's exports. Nothing here throws into JavaScript or computes: every function answers a status, in the
// register or as its result, and JavaScript words the error. No C++ exception may leave a callback (it would abort the
// process), so each goes through `guarded`.
#include <napi.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "../runtime/cpu.h"
#include "../runtime/ops/move.h"
#include "../runtime/threads.h"
#include "../runtime/update.h"
#include "arguments.h"
#include "plan_calls.h"
#include "session.h"

namespace latent {
namespace {

constexpr size_t kUpdateIds = 3 + kMaxKept, kUpdateNumbers = 15;  // per update; numbers in the order of readUpdateArgs

Napi::Value statusValue(Napi::Env env, Status status) { return Napi::Number::New(env, static_cast<int>(status)); }

template <Status (*kBody)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  Status status = Status::kFailed;
  try {
    status = kBody(info);
  } catch (const std::bad_alloc&) {
    status = Status::kOutOfMemory;
  } catch (...) {
    status = Status::kFailed;
  }
  return statusValue(info.Env(), status);
}

// The hot call: raw Node-API, one argument, the status in the register.
napi_value call(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value handle = nullptr;
  void* data = nullptr;
  if (napi_get_cb_info(env, info, &argc, &handle, nullptr, &data) != napi_ok) return nullptr;
  Session* session = static_cast<Session*>(data);
  Status status = Status::kFailed;
  try {
    status = session->run(handle);
  } catch (const std::bad_alloc&) {
    status = Status::kOutOfMemory;
  } catch (...) {
    status = Status::kFailed;
  }
  session->ints()[kOpcode] = static_cast<int32_t>(status);
  return nullptr;
}

// Does nothing: what a call costs before it does anything. For measuring.
napi_value emptyCall(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value handle = nullptr;
  napi_get_cb_info(env, info, &argc, &handle, nullptr, nullptr);
  return nullptr;
}

// (id): frees a slot that has no handle.
Status release(const Napi::CallbackInfo& info) {
  sessionOf(info).environment().freeUnmanaged(intArgument(info, 0));
  return Status::kOk;
}

// (id): frees a slot's storage now, whether it has a handle or not.
Status dispose(const Napi::CallbackInfo& info) {
  sessionOf(info).environment().dispose(intArgument(info, 0));
  return Status::kOk;
}

// (handle, id): ties a slot without a handle to one.
Status manage(const Napi::CallbackInfo& info) {
  Environment& environment = sessionOf(info).environment();
  const int32_t id = intArgument(info, 1);
  if (info.Length() < 2 || !info[0].IsObject() || environment.find(id) == nullptr) return Status::kBadHandle;
  return environment.manage(info[0], id) ? Status::kOk : Status::kContract;
}

// (id): whether the elements lie behind one another, in the register's output id.
Status isContiguous(const Napi::CallbackInfo& info) {
  Session& session = sessionOf(info);
  const View* view = session.environment().find(intArgument(info, 0));
  if (view == nullptr) return Status::kBadHandle;
  session.ints()[kOutputId] = view->contiguous() ? 1 : 0;
  return Status::kOk;
}

// (id): whether no other tensor looks onto the same storage, in the register's output id.
Status isExclusive(const Napi::CallbackInfo& info) {
  Session& session = sessionOf(info);
  const View* view = session.environment().find(intArgument(info, 0));
  if (view == nullptr) return Status::kBadHandle;
  session.ints()[kOutputId] = view->storage->exclusive() ? 1 : 0;
  return Status::kOk;
}

// (id): products keep the packed form of this tensor.
Status keepPacked(const Napi::CallbackInfo& info) {
  View* view = sessionOf(info).environment().find(intArgument(info, 0));
  if (view == nullptr) return Status::kBadHandle;
  view->storage->keepPacked();
  return Status::kOk;
}

// (target, source): the target's window moves to the source's storage when both are whole, alike and shared by nobody;
// the source is freed. kContract when that isn't so, and nothing happens.
Status adopt(const Napi::CallbackInfo& info) {
  Environment& environment = sessionOf(info).environment();
  const int32_t from = intArgument(info, 1);
  View* target = environment.find(intArgument(info, 0));
  View* source = environment.find(from);
  if (target == nullptr || source == nullptr) return Status::kBadHandle;
  const bool whole = target->storage != source->storage && target->storage->exclusive() && source->storage->exclusive();
  if (!whole || target->dtype != source->dtype || !target->sameShape(*source) || !source->contiguous() ||
      source->data != source->storage->data()) {
    return Status::kContract;
  }
  Storage* old = target->storage;
  source->storage->retain();
  *target = *source;
  old->release();
  environment.dispose(from);
  return Status::kOk;
}

// The window of a whole typed array under a tensor's shape; bools travel as bytes.
bool arrayWindow(const Napi::CallbackInfo& info, const View& tensor, View& window) {
  size_t length = 0;
  DType dtype = DType::kFloat32;
  if (info.Length() < 2 || !typedArrayOf(info[1], dtype, window.data, length)) return false;
  const bool fits = dtype == tensor.dtype || (dtype == DType::kUint8 && tensor.dtype == DType::kBool);
  if (!fits || length != static_cast<size_t>(tensor.size())) return false;
  window.dtype = dtype;
  window.rank = tensor.rank;
  for (int d = 0; d < tensor.rank; ++d) window.shape[d] = tensor.shape[d];
  window.setContiguousStrides();
  return true;
}

// (id, typedArray): the tensor's elements, in order.
Status read(const Napi::CallbackInfo& info) {
  const View* view = sessionOf(info).environment().find(intArgument(info, 0));
  if (view == nullptr) return Status::kBadHandle;
  View window;
  if (!arrayWindow(info, *view, window)) return Status::kContract;
  View source = *view;
  if (source.dtype == DType::kBool) source.dtype = DType::kUint8;
  return copyConvert(source, window) ? Status::kOk : Status::kContract;
}

// (id, typedArray): into the tensor.
Status write(const Napi::CallbackInfo& info) {
  const Status owned = sessionOf(info).environment().own(intArgument(info, 0));
  if (owned != Status::kOk) return owned;
  View* view = sessionOf(info).environment().find(intArgument(info, 0));
  if (view == nullptr) return Status::kBadHandle;
  View window;
  if (!arrayWindow(info, *view, window)) return Status::kContract;
  view->storage->touch();
  return copyConvert(window, *view) ? Status::kOk : Status::kContract;
}

// (id, typedArray, at): into the elements of a contiguous tensor from place `at` on.
Status writePart(const Napi::CallbackInfo& info) {
  Environment& environment = sessionOf(info).environment();
  const Status owned = environment.own(intArgument(info, 0));
  if (owned != Status::kOk) return owned;
  View* view = environment.find(intArgument(info, 0));
  if (view == nullptr) return Status::kBadHandle;
  DType dtype = DType::kFloat32;
  char* data = nullptr;
  size_t length = 0;
  if (info.Length() < 3 || !typedArrayOf(info[1], dtype, data, length)) return Status::kContract;
  const bool fits = dtype == view->dtype || (dtype == DType::kUint8 && view->dtype == DType::kBool);
  const double at = numberArgument(info, 2), size = static_cast<double>(view->size());
  if (!fits || !view->contiguous() || !(at >= 0) || at != std::floor(at) || at + static_cast<double>(length) > size) {
    return Status::kContract;
  }
  view->storage->touch();
  const size_t bytes = sizeOf(view->dtype);
  if (length > 0) std::memcpy(view->data + static_cast<size_t>(at) * bytes, data, length * bytes);
  return Status::kOk;
}

bool pathArgument(const Napi::CallbackInfo& info, std::string& path) {
  if (info.Length() < 1 || !info[0].IsString()) return false;
  path = info[0].As<Napi::String>().Utf8Value();
  return true;
}

// (path): a file that is about to be made, to be removed where this thread ends before `releaseTemporary`.
Status holdTemporary(const Napi::CallbackInfo& info) {
  std::string path;
  if (!pathArgument(info, path)) return Status::kContract;
  sessionOf(info).environment().temporaries().hold(std::move(path));
  return Status::kOk;
}

// (path): it is finished, or gone.
Status releaseTemporary(const Napi::CallbackInfo& info) {
  std::string path;
  if (!pathArgument(info, path)) return Status::kContract;
  sessionOf(info).environment().temporaries().release(path);
  return Status::kOk;
}

UpdateArgs readUpdateArgs(const double* p) {
  UpdateArgs args{};
  double* const numbers[] = {&args.rate,     &args.weightDecay, &args.gradScale,   &args.clip,
                             &args.momentum, &args.beta1,       &args.beta2,       &args.epsilon,
                             &args.correction1, &args.correction2, &args.leastRatio, &args.mostRatio};
  bool* const flags[] = {&args.nesterov, &args.decoupled, &args.firstStep};
  static_assert(sizeof numbers / sizeof *numbers + sizeof flags / sizeof *flags == kUpdateNumbers, "one place each");
  for (double* number : numbers) *number = *p++;
  for (bool* flag : flags) *flag = *p++ != 0;
  return args;
}

// Reads the updates of `update`'s arguments and checks them; what they write is nobody else's then.
Status readUpdates(Environment& environment, Rule rule, const int32_t* ids, const double* numbers, size_t count,
                   Update* updates) {
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = 0; j < kUpdateIds; ++j) {
      const Status owned = j == 1 ? Status::kOk : environment.own(ids[kUpdateIds * i + j]);
      if (owned != Status::kOk) return owned;
    }
  }
  for (size_t i = 0; i < count; ++i) {
    Update& one = updates[i];
    View* views[kUpdateIds] = {&one.weight, &one.gradient};
    for (int j = 0; j < kMaxKept; ++j) views[2 + j] = &one.kept[j];
    views[2 + kMaxKept] = &one.marks;
    for (size_t j = 0; j < kUpdateIds; ++j) {
      const int32_t id = ids[kUpdateIds * i + j];
      if (id == 0 && j >= 2) continue;
      const View* found = environment.find(id);
      if (found == nullptr) return Status::kBadHandle;
      *views[j] = *found;
    }
    one.args = readUpdateArgs(numbers + i * kUpdateNumbers);
    const Status status = checkUpdate(rule, one);
    if (status != Status::kOk) return status;
  }
  return Status::kOk;
}

// (rule, ids, numbers, clipNorm, plan, batch, handle): for each tensor kUpdateIds ids (weight, gradient, what is kept,
// marked rows; 0 for none) and kUpdateNumbers doubles. Where there is a plan it runs first, as runPlan has it, and may write
// the gradients. All is checked before anything is changed. The gradients' length goes into the register's doubles.
Status update(const Napi::CallbackInfo& info) {
  Session& session = sessionOf(info);
  Environment& environment = session.environment();
  const int32_t number = intArgument(info, 0);
  if (number < 0 || number >= static_cast<int32_t>(Rule::kCount) || info.Length() < 4) return Status::kContract;
  const Rule rule = static_cast<Rule>(number);
  DType idType, numberType;
  char *idData = nullptr, *numberData = nullptr;
  size_t idCount = 0, numberCount = 0;
  if (!typedArrayOf(info[1], idType, idData, idCount) || idType != DType::kInt32) return Status::kContract;
  if (!typedArrayOf(info[2], numberType, numberData, numberCount) || numberType != DType::kFloat64) {
    return Status::kContract;
  }
  if (!info[3].IsNumber()) return Status::kContract;
  const double clipNorm = info[3].As<Napi::Number>().DoubleValue();
  const size_t count = idCount / kUpdateIds;
  if (idCount != count * kUpdateIds || numberCount != count * kUpdateNumbers) return Status::kContract;
  const int32_t* ids = reinterpret_cast<const int32_t*>(idData);
  const double* numbers = reinterpret_cast<const double*>(numberData);
  session.ints()[kOutputId] = -1;
  const std::unique_ptr<Update[]> updates(new Update[count]);
  Status status = readUpdates(environment, rule, ids, numbers, count, updates.get());
  if (status != Status::kOk) return status;
  const int32_t plan = intArgument(info, 4);
  if (plan != 0) {
    const napi_value handle = info.Length() > 6 ? static_cast<napi_value>(info[6]) : nullptr;
    status = runPlanOf(info.Env(), session, plan, numberArgument(info, 5), handle);
    environment.tick();
    // Tensors may have gone meanwhile: a run that lacks memory looks for dead handles.
    if (status == Status::kOk) status = readUpdates(environment, rule, ids, numbers, count, updates.get());
    if (status != Status::kOk) return status;
  }
  for (size_t i = 0; i < count; ++i) {
    updates[i].weight.storage->touch();
    for (const View& kept : updates[i].kept) {
      if (kept.storage != nullptr) kept.storage->touch();
    }
  }
  double norm = 0;
  status = applyUpdates(rule, updates.get(), static_cast<int64_t>(count), clipNorm, norm);
  session.reals()[0] = norm;
  return status;
}

// Live, peak and pooled bytes, tensors and the limit, into the register's doubles.
Status info(const Napi::CallbackInfo& info) {
  Session& session = sessionOf(info);
  const Account& account = session.environment().account();
  session.reals()[0] = static_cast<double>(account.live.load());
  session.reals()[1] = static_cast<double>(account.peak.load());
  session.reals()[2] = static_cast<double>(memory::pooledBytes());
  session.reals()[3] = static_cast<double>(account.tensors);
  session.reals()[4] = static_cast<double>(memory::limit());
  return Status::kOk;
}

Status collect(const Napi::CallbackInfo& info) {
  sessionOf(info).environment().collect();
  memory::trim();
  return Status::kOk;
}

Status setLimit(const Napi::CallbackInfo& info) {
  const double bytes = numberArgument(info, 0);
  if (!(bytes >= 0) || bytes > 9007199254740992.0) return Status::kContract;
  memory::setLimit(static_cast<int64_t>(bytes));
  return Status::kOk;
}

Status refuseAllocation(const Napi::CallbackInfo& info) {
  memory::refuseAfter(intArgument(info, 0), intArgument(info, 1) != 0);
  return Status::kOk;
}

Status setThreads(const Napi::CallbackInfo& info) {
  const int32_t n = intArgument(info, 0);
  if (n < 1 || n > 1024) return Status::kContract;
  threads::setCount(n);
  return Status::kOk;
}

Status getThreads(const Napi::CallbackInfo& info) {
  sessionOf(info).ints()[kOutputId] = threads::count();
  return Status::kOk;
}

// The most tasks that a job of this thread's has had since this was called last.
Status takeMostTasks(const Napi::CallbackInfo& info) {
  const int64_t tasks = threads::takeMostTasks();
  sessionOf(info).ints()[kOutputId] = static_cast<int32_t>(tasks < INT32_MAX ? tasks : INT32_MAX);
  return Status::kOk;
}

// (rounds): the floating-point operations done, in the register's doubles. The caller takes the time.
Status fmaPeak(const Napi::CallbackInfo& info) {
  Session& session = sessionOf(info);
  const double rounds = numberArgument(info, 0);
  if (!(rounds >= 1) || rounds > 1e12) return Status::kContract;
  session.reals()[1] = kernels().fmaPeak(static_cast<int64_t>(rounds), &session.reals()[0]);
  return Status::kOk;
}

// openSession(register): the functions of one load of the JavaScript layer. The register's buffer is kept alive by a
// reference for as long as the environment lives; undefined when it isn't one.
Napi::Value openSession(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  try {
    if (info.Length() < 1 || !info[0].IsArrayBuffer()) return env.Undefined();
    Napi::ArrayBuffer buffer = info[0].As<Napi::ArrayBuffer>();
    Environment* environment = Environment::of(env);
    if (buffer.ByteLength() != kRegisterBytes || environment == nullptr) return env.Undefined();
    // A buffer that could shrink would leave the session writing beside it.
    if (buffer.Get("resizable").ToBoolean().Value()) return env.Undefined();
    napi_ref kept;
    if (napi_create_reference(env, buffer, 1, &kept) != napi_ok) return env.Undefined();
    Session* session = environment->open(buffer.Data());
    Napi::Object functions = Napi::Object::New(env);
    napi_value hot, hotPlan, empty;
    if (napi_create_function(env, "call", NAPI_AUTO_LENGTH, call, session, &hot) != napi_ok) return env.Undefined();
    if (napi_create_function(env, "emptyCall", NAPI_AUTO_LENGTH, emptyCall, session, &empty) != napi_ok) {
      return env.Undefined();
    }
    if (napi_create_function(env, "runPlan", NAPI_AUTO_LENGTH, runPlan, session, &hotPlan) != napi_ok) {
      return env.Undefined();
    }
    functions.Set("call", hot);
    functions.Set("runPlan", hotPlan);
    functions.Set("emptyCall", empty);
    const auto add = [&](const char* name, Napi::Value (*f)(const Napi::CallbackInfo&)) {
      functions.Set(name, Napi::Function::New(env, f, name, session));
    };
    add("createPlan", guarded<createPlan>);
    add("planBytes", guarded<planBytes>);
    add("openPredictions", guarded<openPredictions>);
    add("predict", guarded<predict>);
    add("stopPrediction", guarded<stopPrediction>);
    add("release", guarded<release>);
    add("dispose", guarded<dispose>);
    add("manage", guarded<manage>);
    add("isContiguous", guarded<isContiguous>);
    add("isExclusive", guarded<isExclusive>);
    add("keepPacked", guarded<keepPacked>);
    add("adopt", guarded<adopt>);
    add("read", guarded<read>);
    add("write", guarded<write>);
    add("writePart", guarded<writePart>);
    add("holdTemporary", guarded<holdTemporary>);
    add("releaseTemporary", guarded<releaseTemporary>);
    add("update", guarded<update>);
    add("info", guarded<latent::info>);
    add("collect", guarded<collect>);
    add("setLimit", guarded<setLimit>);
    add("refuseAllocation", guarded<refuseAllocation>);
    add("setThreads", guarded<setThreads>);
    add("getThreads", guarded<getThreads>);
    add("takeMostTasks", guarded<takeMostTasks>);
    add("fmaPeak", guarded<fmaPeak>);
    return functions;
  } catch (...) {
    return env.Undefined();
  }
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  Napi::Array names = Napi::Array::New(env);
  for (size_t i = 0; i < operations().size(); ++i) {
    names.Set(static_cast<uint32_t>(i), Napi::String::New(env, operations()[i]->name));
  }
  exports.Set("version", Napi::String::New(env, LATENT_VERSION));
  exports.Set("isa", Napi::String::New(env, kernels().name));
  exports.Set("operations", names);
  exports.Set("openSession", Napi::Function::New(env, openSession, "openSession"));
  return exports;
}

}  // namespace
}  // namespace latent

static Napi::Object initAddon(Napi::Env env, Napi::Object exports) { return latent::initialize(env, exports); }

NODE_API_MODULE(latent, initAddon)
