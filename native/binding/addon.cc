// The addon's exports. Nothing here throws into JavaScript or computes: every function answers a status, in the
// register or as its result, and JavaScript words the error. No C++ exception may leave a callback (it would abort the
// process), so each goes through `guarded`.
#include <node_api.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "../runtime/caches.h"
#include "../runtime/cpu.h"
#include "../runtime/tensor/move.h"
#include "../runtime/threads.h"
#include "../runtime/update.h"
#include "arguments.h"
#include "pin.h"
#include "plan_calls.h"
#include "protocol.h"
#include "session.h"

namespace latent {
namespace {

template <Status (*kBody)(const Arguments&)>
napi_value guarded(napi_env env, napi_callback_info info) {
  const Arguments given(env, info);
  if (given.data() == nullptr) return nullptr;
  Status status = Status::kFailed;
  try {
    status = kBody(given);
  } catch (const std::bad_alloc&) {
    status = Status::kOutOfMemory;
  } catch (...) {
    status = Status::kFailed;
  }
  napi_value answer = nullptr;
  napi_create_int32(env, static_cast<int32_t>(status), &answer);
  return answer;
}

// The hot call: one argument, the status in the register.
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
  session->ints()[kStatus] = static_cast<int32_t>(status);
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
Status release(const Arguments& given) {
  sessionOf(given).environment().freeUnmanaged(intArgument(given, 0));
  return Status::kOk;
}

// (id): frees a slot's storage now, whether it has a handle or not.
Status dispose(const Arguments& given) {
  sessionOf(given).environment().dispose(intArgument(given, 0));
  return Status::kOk;
}

// (handle, id): ties a slot without a handle to one.
Status manage(const Arguments& given) {
  Environment& environment = sessionOf(given).environment();
  const int32_t id = intArgument(given, 1);
  if (!given.is(0, napi_object) || environment.find(id) == nullptr) return Status::kBadHandle;
  return environment.manage(given[0], id);
}

// (id): whether the elements lie one after another, in the register's output id.
Status isContiguous(const Arguments& given) {
  Session& session = sessionOf(given);
  const View* view = session.environment().find(intArgument(given, 0));
  if (view == nullptr) return Status::kBadHandle;
  session.ints()[kOutputId] = view->contiguous() ? 1 : 0;
  return Status::kOk;
}

// (id): whether no other tensor looks onto the same storage, in the register's output id.
Status isExclusive(const Arguments& given) {
  Session& session = sessionOf(given);
  const View* view = session.environment().find(intArgument(given, 0));
  if (view == nullptr) return Status::kBadHandle;
  session.ints()[kOutputId] = view->storage->exclusive() ? 1 : 0;
  return Status::kOk;
}

// (id): products keep the packed form of this tensor.
Status keepPacked(const Arguments& given) {
  View* view = sessionOf(given).environment().find(intArgument(given, 0));
  if (view == nullptr) return Status::kBadHandle;
  view->storage->keepPacked();
  return Status::kOk;
}

// (target, source): the target's window moves to the source's storage when both are whole, alike and shared by nobody;
// the source is freed. kContract when that isn't so, and nothing happens.
Status adopt(const Arguments& given) {
  Environment& environment = sessionOf(given).environment();
  const int32_t from = intArgument(given, 1);
  View* target = environment.find(intArgument(given, 0));
  View* source = environment.find(from);
  if (target == nullptr || source == nullptr) return Status::kBadHandle;
  const bool whole = target->storage != source->storage && target->storage->exclusive() && source->storage->exclusive();
  if (!whole || target->dtype != source->dtype || !target->sameShape(*source) || !source->contiguous() ||
      source->data != source->storage->data()) {
    return LATENT_BROKEN;
  }
  Storage* old = target->storage;
  source->storage->retain();
  *target = *source;
  old->release();
  environment.dispose(from);
  return Status::kOk;
}

// (target, source): the target's elements become the source's, which no other tensor has and nobody reads any more. Asks for no
// memory, so that what was changed can be taken back where there is none.
Status restore(const Arguments& given) {
  return sessionOf(given).environment().restore(intArgument(given, 0), intArgument(given, 1));
}

// The window of a whole typed array under a tensor's shape; bools travel as bytes.
bool arrayWindow(const Arguments& given, const View& tensor, View& window) {
  size_t length = 0;
  DType dtype = DType::kFloat32;
  if (!typedArrayOf(given, 1, dtype, window.data, length)) return false;
  const bool fits = dtype == tensor.dtype || (dtype == DType::kUint8 && tensor.dtype == DType::kBool);
  if (!fits || length != static_cast<size_t>(tensor.size())) return false;
  window.dtype = dtype;
  window.rank = tensor.rank;
  for (int d = 0; d < tensor.rank; ++d) window.shape[d] = tensor.shape[d];
  window.setContiguousStrides();
  return true;
}

// (id, typedArray): the tensor's elements, in order.
Status read(const Arguments& given) {
  const View* view = sessionOf(given).environment().find(intArgument(given, 0));
  if (view == nullptr) return Status::kBadHandle;
  View window;
  if (!arrayWindow(given, *view, window)) return LATENT_BROKEN;
  View source = *view;
  if (source.dtype == DType::kBool) source.dtype = DType::kUint8;
  return copyConvert(source, window) ? Status::kOk : LATENT_BROKEN;
}

// (id, typedArray): into the tensor.
Status write(const Arguments& given) {
  const Status owned = sessionOf(given).environment().own(intArgument(given, 0));
  if (owned != Status::kOk) return owned;
  View* view = sessionOf(given).environment().find(intArgument(given, 0));
  if (view == nullptr) return Status::kBadHandle;
  View window;
  if (!arrayWindow(given, *view, window)) return LATENT_BROKEN;
  view->storage->touch();
  return copyConvert(window, *view) ? Status::kOk : LATENT_BROKEN;
}

// (id, typedArray, at): into the elements of a contiguous tensor from place `at` on.
Status writePart(const Arguments& given) {
  Environment& environment = sessionOf(given).environment();
  const Status owned = environment.own(intArgument(given, 0));
  if (owned != Status::kOk) return owned;
  View* view = environment.find(intArgument(given, 0));
  if (view == nullptr) return Status::kBadHandle;
  DType dtype = DType::kFloat32;
  char* data = nullptr;
  size_t length = 0;
  if (!typedArrayOf(given, 1, dtype, data, length)) return LATENT_BROKEN;
  const bool fits = dtype == view->dtype || (dtype == DType::kUint8 && view->dtype == DType::kBool);
  const double at = numberArgument(given, 2), size = static_cast<double>(view->size());
  if (!fits || !view->contiguous() || !(at >= 0) || at != std::floor(at) || at + static_cast<double>(length) > size) {
    return LATENT_BROKEN;
  }
  view->storage->touch();
  const size_t bytes = sizeOf(view->dtype);
  if (length > 0) std::memcpy(view->data + static_cast<size_t>(at) * bytes, data, length * bytes);
  return Status::kOk;
}

bool pathArgument(const Arguments& given, std::string& path) {
  size_t length = 0;
  if (!given.is(0, napi_string)) return false;
  if (napi_get_value_string_utf8(given.env(), given[0], nullptr, 0, &length) != napi_ok) return false;
  path.resize(length);
  // The byte after the last one is the string's own end.
  return napi_get_value_string_utf8(given.env(), given[0], &path[0], length + 1, &length) == napi_ok;
}

// (path): a file that is about to be made, to be removed where this thread ends before `releaseTemporary`.
Status holdTemporary(const Arguments& given) {
  std::string path;
  if (!pathArgument(given, path)) return LATENT_BROKEN;
  sessionOf(given).environment().temporaries().hold(std::move(path));
  return Status::kOk;
}

// (path): it is finished, or gone.
Status releaseTemporary(const Arguments& given) {
  std::string path;
  if (!pathArgument(given, path)) return LATENT_BROKEN;
  sessionOf(given).environment().temporaries().release(path);
  return Status::kOk;
}

UpdateArgs readUpdateArgs(const double* p) {
  UpdateArgs args{};
  double* const numbers[] = {&args.rate,        &args.weightDecay, &args.gradScale,  &args.clip,
                             &args.momentum,    &args.beta1,       &args.beta2,      &args.epsilon,
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

// (rule, ids, numbers, clipNorm, plan, sizes, handle): for each tensor kUpdateIds ids (weight, gradient, what is kept,
// marked rows; 0 for none) and kUpdateNumbers doubles. Where there is a plan it runs first, as runPlan has it, and may write
// the gradients. All is checked before anything is changed. The gradients' length goes into the register's doubles.
Status update(const Arguments& given) {
  Session& session = sessionOf(given);
  Environment& environment = session.environment();
  const int32_t number = intArgument(given, 0);
  if (number < 0 || number >= static_cast<int32_t>(Rule::kCount)) return LATENT_BROKEN;
  const Rule rule = static_cast<Rule>(number);
  DType idType, numberType;
  char *idData = nullptr, *numberData = nullptr;
  size_t idCount = 0, numberCount = 0;
  if (!typedArrayOf(given, 1, idType, idData, idCount) || idType != DType::kInt32) return LATENT_BROKEN;
  if (!typedArrayOf(given, 2, numberType, numberData, numberCount) || numberType != DType::kFloat64) {
    return LATENT_BROKEN;
  }
  if (!given.is(3, napi_number)) return LATENT_BROKEN;
  const double clipNorm = numberArgument(given, 3);
  const size_t count = idCount / kUpdateIds;
  if (idCount != count * kUpdateIds || numberCount != count * kUpdateNumbers) return LATENT_BROKEN;
  const int32_t* ids = reinterpret_cast<const int32_t*>(idData);
  const double* numbers = reinterpret_cast<const double*>(numberData);
  session.ints()[kOutputId] = -1;
  session.ints()[kChanged] = 0;
  const std::unique_ptr<Update[]> updates(new Update[count]);
  Status status = readUpdates(environment, rule, ids, numbers, count, updates.get());
  if (status != Status::kOk) return status;
  const int32_t plan = intArgument(given, 4);
  if (plan != 0) {
    status = runPlanOf(given.env(), session, plan, intArgument(given, 5), given[6]);
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
Status info(const Arguments& given) {
  Session& session = sessionOf(given);
  const Account& account = session.environment().account();
  session.reals()[0] = static_cast<double>(account.live.load());
  session.reals()[1] = static_cast<double>(account.peak.load());
  session.reals()[2] = static_cast<double>(memory::pooledBytes());
  session.reals()[3] = static_cast<double>(account.tensors);
  session.reals()[4] = static_cast<double>(memory::limit());
  return Status::kOk;
}

Status collect(const Arguments& given) {
  sessionOf(given).environment().collect();
  memory::trim();
  return Status::kOk;
}

Status setLimit(const Arguments& given) {
  const double bytes = numberArgument(given, 0);
  if (!(bytes >= 0) || bytes > 9007199254740992.0) return LATENT_BROKEN;
  memory::setLimit(static_cast<int64_t>(bytes));
  return Status::kOk;
}

Status refuseAllocation(const Arguments& given) {
  memory::refuseAfter(intArgument(given, 0), intArgument(given, 1) != 0);
  return Status::kOk;
}

Status setThreads(const Arguments& given) {
  const int32_t n = intArgument(given, 0);
  if (n < 1 || n > 1024) return LATENT_BROKEN;
  threads::setCount(n);
  return Status::kOk;
}

Status getThreads(const Arguments& given) {
  sessionOf(given).ints()[kOutputId] = threads::count();
  return Status::kOk;
}

// The most tasks that a job of this thread's has had since this was called last.
Status takeMostTasks(const Arguments& given) {
  const int64_t tasks = threads::takeMostTasks();
  sessionOf(given).ints()[kOutputId] = static_cast<int32_t>(tasks < INT32_MAX ? tasks : INT32_MAX);
  return Status::kOk;
}

// (rounds): the floating-point operations done, in the register's doubles. The caller takes the time.
Status fmaPeak(const Arguments& given) {
  Session& session = sessionOf(given);
  const double rounds = numberArgument(given, 0);
  if (!(rounds >= 1) || rounds > 1e12) return LATENT_BROKEN;
  session.reals()[1] = kernels().fmaPeak(static_cast<int64_t>(rounds), &session.reals()[0]);
  return Status::kOk;
}

struct Function {
  const char* name;
  napi_callback body;
};

constexpr Function kFunctions[] = {
    {"call", call},
    {"runPlan", runPlan},
    {"emptyCall", emptyCall},
    {"createPlan", guarded<createPlan>},
    {"addSizes", guarded<addSizes>},
    {"dropSizes", guarded<dropSizes>},
    {"planBytes", guarded<planBytes>},
    {"openPredictions", guarded<openPredictions>},
    {"predict", guarded<predict>},
    {"stopPrediction", guarded<stopPrediction>},
    {"release", guarded<release>},
    {"dispose", guarded<dispose>},
    {"manage", guarded<manage>},
    {"isContiguous", guarded<isContiguous>},
    {"isExclusive", guarded<isExclusive>},
    {"keepPacked", guarded<keepPacked>},
    {"adopt", guarded<adopt>},
    {"restore", guarded<restore>},
    {"read", guarded<read>},
    {"write", guarded<write>},
    {"writePart", guarded<writePart>},
    {"holdTemporary", guarded<holdTemporary>},
    {"releaseTemporary", guarded<releaseTemporary>},
    {"update", guarded<update>},
    {"info", guarded<latent::info>},
    {"collect", guarded<collect>},
    {"setLimit", guarded<setLimit>},
    {"refuseAllocation", guarded<refuseAllocation>},
    {"setThreads", guarded<setThreads>},
    {"getThreads", guarded<getThreads>},
    {"takeMostTasks", guarded<takeMostTasks>},
    {"fmaPeak", guarded<fmaPeak>},
};

bool add(napi_env env, napi_value object, const Function& function, void* data) {
  napi_value made;
  return napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.body, data, &made) == napi_ok &&
         napi_set_named_property(env, object, function.name, made) == napi_ok;
}

// openSession(register, findYoungCollector): the functions of one load of the JavaScript layer. The register's buffer is kept
// alive by a reference for as long as the environment lives; undefined when it isn't one, or memory is short.
napi_value openSession(napi_env env, napi_callback_info info) {
  const Arguments given(env, info);
  void* registerData = nullptr;
  napi_value functions;
  if (!bufferOf(given, 0, kRegisterBytes, registerData) || napi_create_object(env, &functions) != napi_ok) return nullptr;
  try {
    Environment* const environment = Environment::of(env);
    napi_ref kept;
    if (environment == nullptr || napi_create_reference(env, given[0], 1, &kept) != napi_ok) return nullptr;
    Session* const session = environment->open(registerData, given[1]);
    for (const Function& function : kFunctions) {
      if (!add(env, functions, function, session)) return nullptr;
    }
    return functions;
  } catch (...) {
    return nullptr;
  }
}

bool addString(napi_env env, napi_value object, const char* name, const char* text) {
  napi_value made;
  return napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &made) == napi_ok &&
         napi_set_named_property(env, object, name, made) == napi_ok;
}

// Where this thread broke a contract last, where the build notes it; else undefined.
napi_value brokenContract(napi_env env, napi_callback_info) {
  napi_value text = nullptr;
#ifdef LATENT_DEBUG
  if (const char* place = lastBrokenContract()) napi_create_string_utf8(env, place, NAPI_AUTO_LENGTH, &text);
#else
  static_cast<void>(env);
#endif
  return text;
}

bool addOperations(napi_env env, napi_value exports) {
  napi_value names, name;
  if (napi_create_array(env, &names) != napi_ok) return false;
  for (size_t i = 0; i < operations().size(); ++i) {
    if (napi_create_string_utf8(env, operations()[i]->name, NAPI_AUTO_LENGTH, &name) != napi_ok) return false;
    if (napi_set_element(env, names, static_cast<uint32_t>(i), name) != napi_ok) return false;
  }
  return napi_set_named_property(env, exports, "operations", names) == napi_ok;
}

// The bytes of a core's caches, from the first to the third; 0 for one that is not there.
bool addCaches(napi_env env, napi_value exports) {
  const int64_t sizes[] = {caches().l1, caches().l2, caches().l3};
  napi_value made, size;
  if (napi_create_array(env, &made) != napi_ok) return false;
  for (uint32_t i = 0; i < 3; ++i) {
    if (napi_create_int64(env, sizes[i], &size) != napi_ok || napi_set_element(env, made, i, size) != napi_ok) return false;
  }
  return napi_set_named_property(env, exports, "caches", made) == napi_ok;
}

napi_value initialize(napi_env env, napi_value exports) {
  bool done = false;
  try {
    pin();
    // The machine's properties are read where an error can still be told.
    threads::count();
    done = addString(env, exports, "version", LATENT_VERSION) && addString(env, exports, "isa", kernels().name) &&
           addString(env, exports, "compiler", LATENT_COMPILER) && addString(env, exports, "target", LATENT_TARGET) &&
           addString(env, exports, "digest", LATENT_DIGEST) && addCaches(env, exports) && addOperations(env, exports) &&
           addProtocol(env, exports) && add(env, exports, {"brokenContract", brokenContract}, nullptr) &&
           add(env, exports, {"openSession", openSession}, nullptr);
  } catch (...) {}
  if (!done) napi_throw_error(env, nullptr, "the addon could not be set up: memory is short");
  return exports;
}

}  // namespace
}  // namespace latent

NAPI_MODULE(latent, latent::initialize)
