// Node's functions on Windows, by the addresses that they have in this process. An import by name would ask for a program
// called node.exe, and fail in Electron and wherever Node was renamed. The headers declare these functions as imported, so
// the compiler calls each through a pointer `__imp_NAME`. Those are defined here and filled when the library is loaded. A
// function that is missing from the list is a link error.
#include <windows.h>

// clang-format off
#define LATENT_NODE_FUNCTIONS(F) \
  F(napi_add_env_cleanup_hook) F(napi_adjust_external_memory) F(napi_call_function) \
  F(napi_call_threadsafe_function) F(napi_close_handle_scope) F(napi_coerce_to_bool) F(napi_create_array) \
  F(napi_create_array_with_length) F(napi_create_function) F(napi_create_int32) F(napi_create_int64) \
  F(napi_create_object) \
  F(napi_create_reference) F(napi_create_string_utf8) F(napi_create_threadsafe_function) F(napi_delete_reference) \
  F(napi_get_and_clear_last_exception) F(napi_get_arraybuffer_info) F(napi_get_cb_info) F(napi_get_global) \
  F(napi_get_instance_data) F(napi_get_named_property) \
  F(napi_get_reference_value) F(napi_get_typedarray_info) F(napi_get_undefined) F(napi_get_value_bool) \
  F(napi_get_value_double) F(napi_get_value_int32) F(napi_get_value_string_utf8) F(napi_is_arraybuffer) \
  F(napi_is_exception_pending) F(napi_is_typedarray) F(napi_open_handle_scope) F(napi_ref_threadsafe_function) \
  F(napi_reference_unref) \
  F(napi_set_element) F(napi_set_instance_data) F(napi_set_named_property) F(napi_throw_error) F(napi_typeof) \
  F(napi_unref_threadsafe_function)
// clang-format on

extern "C" {
#define F(name) void* __imp_##name = nullptr;
LATENT_NODE_FUNCTIONS(F)
#undef F
}

namespace {

struct Import {
  const char* name;
  void** pointer;
};

#define F(name) {#name, &__imp_##name},
const Import kImports[] = {LATENT_NODE_FUNCTIONS(F)};
#undef F

// Node is the program itself, or a library that the program links.
bool resolveFrom(HMODULE module) {
  if (module == nullptr) return false;
  for (const Import& import : kImports) {
    *import.pointer = reinterpret_cast<void*>(GetProcAddress(module, import.name));
    if (*import.pointer == nullptr) return false;
  }
  return true;
}

bool resolve() {
  return resolveFrom(GetModuleHandleW(nullptr)) || resolveFrom(GetModuleHandleW(L"libnode.dll")) ||
         resolveFrom(GetModuleHandleW(L"node.dll"));
}

}  // namespace

// Fails the load, which Node tells as an error, where the program has not all of these functions.
BOOL WINAPI DllMain(HINSTANCE, DWORD reason, LPVOID) { return reason != DLL_PROCESS_ATTACH || resolve() ? TRUE : FALSE; }
