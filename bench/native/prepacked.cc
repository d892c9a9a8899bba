#include "prepacked.h"

#include <dlfcn.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "operands.h"

namespace latent_bench {
namespace {

template <class F>
F find(void* library, const char* name) {
  return reinterpret_cast<F>(dlsym(library, name));
}

// MKL's: https://www.intel.com/content/www/us/en/docs/onemkl/developer-reference-c/current/cblas-gemm-pack.html
template <class T>
class MklPacked : public ProductJob<T> {
 public:
  static bool isIn(void* library) { return find<void*>(library, nameOf("compute").c_str()) != nullptr; }

  MklPacked(void* library, const ProductShape& shape, const T* a, const T* b)
      : ProductJob<T>(shape, a, b), compute_(find<Compute>(library, nameOf("compute").c_str())),
        packed_(find<Size>(library, nameOf("pack_get_size").c_str())(kSecond, this->m(), this->n(), this->k())) {
    find<Pack>(library, nameOf("pack").c_str())(kRowMajor, kSecond, this->wayOfB(), this->m(), this->n(), this->k(), T(1),
                                                this->b(0), static_cast<int>(this->ldb()), packed_.template as<T>());
  }
  void run() override {
    compute_(kRowMajor, this->wayOfA(), kPacked, this->m(), this->n(), this->k(), this->a(0), static_cast<int>(this->lda()),
             packed_.template as<T>(), static_cast<int>(this->ldb()), T(0), this->c(0), this->n());
  }

 private:
  static constexpr int kSecond = 162, kPacked = 151;
  using Size = size_t (*)(int operand, int m, int n, int k);
  using Pack = void (*)(int order, int operand, int trans, int m, int n, int k, T alpha, const T* from, int ld, T* to);
  using Compute = void (*)(int order, int transA, int transB, int m, int n, int k, const T* a, int lda, const T* b, int ldb,
                           T beta, T* c, int ldc);

  static std::string nameOf(const char* what) {
    return std::string(sizeof(T) == sizeof(float) ? "cblas_sgemm_" : "cblas_dgemm_") + what;
  }

  const Compute compute_;
  Buffer packed_;
};

// oneDNN's C interface since version 3, in which all descriptions are handles: they live as long as the process.
class OneDnn {
 public:
  using Handle = void*;
  struct Argument {
    int index;
    Handle memory;
  };
  static constexpr int kSource = 1, kTarget = 17, kWeights = 33;

  static bool isIn(void* library) { return find<void*>(library, "dnnl_matmul_primitive_desc_create") != nullptr; }

  explicit OneDnn(void* library) : library_(library) {
    call("dnnl_engine_create", &engine, kCpu, size_t(0));
    call("dnnl_stream_create", &stream_, engine, 0u);
  }

  // Row-major, or transposed.
  Handle matrix(int64_t rows, int64_t columns, bool transposed) const {
    const int64_t sizes[kMostSizes] = {rows, columns};
    const int64_t strides[kMostSizes] = {transposed ? 1 : columns, transposed ? rows : 1};
    Handle made = nullptr;
    call("dnnl_memory_desc_create_with_strides", &made, 2, sizes, kFloat, strides);
    return made;
  }
  Handle anyForm(int64_t rows, int64_t columns) const {
    const int64_t sizes[kMostSizes] = {rows, columns};
    Handle made = nullptr;
    call("dnnl_memory_desc_create_with_tag", &made, 2, sizes, kFloat, kAny);
    return made;
  }
  // At an address, or in memory of its own.
  Handle memory(Handle form, const void* at = reinterpret_cast<void*>(kAllocate)) const {
    Handle made = nullptr;
    call("dnnl_memory_create", &made, form, engine, const_cast<void*>(at));
    return made;
  }
  Handle product(Handle a, Handle b, Handle c, Handle* formOfB) const {
    Handle found = nullptr;
    call("dnnl_matmul_primitive_desc_create", &found, engine, a, b, Handle(nullptr), c, Handle(nullptr));
    *formOfB = find<Handle (*)(Handle, int, int)>(library_, "dnnl_primitive_desc_query_md")(found, kFormOfWeights, 0);
    return primitive(found);
  }
  Handle reorder(Handle from, Handle to) const {
    Handle found = nullptr;
    call("dnnl_reorder_primitive_desc_create", &found, from, engine, to, engine, Handle(nullptr));
    return primitive(found);
  }
  void execute(Handle primitive, const Argument* arguments, int count) const {
    checked(execute_(primitive, stream_, count, arguments), "dnnl_primitive_execute");
    checked(wait_(stream_), "dnnl_stream_wait");
  }

  Handle engine = nullptr;

 private:
  static constexpr int kMostSizes = 12, kCpu = 1, kFloat = 3, kAny = 1, kFormOfWeights = 131;
  static constexpr uintptr_t kAllocate = UINTPTR_MAX;

  static void checked(int status, const char* name) {
    if (status != 0) throw std::runtime_error(std::string(name) + " answered status " + std::to_string(status));
  }
  template <class... A>
  void call(const char* name, A... arguments) const {
    checked(find<int (*)(A...)>(library_, name)(arguments...), name);
  }
  Handle primitive(Handle description) const {
    Handle made = nullptr;
    call("dnnl_primitive_create", &made, description);
    return made;
  }

  void* library_;
  Handle stream_ = nullptr;
  int (*const execute_)(Handle, Handle, int,
                        const Argument*) = find<int (*)(Handle, Handle, int, const Argument*)>(library_,
                                                                                               "dnnl_primitive_execute");
  int (*const wait_)(Handle) = find<int (*)(Handle)>(library_, "dnnl_stream_wait");
};

class OneDnnProduct : public ProductJob<float> {
 public:
  OneDnnProduct(void* library, const ProductShape& shape, const float* a, const float* b, bool packed)
      : ProductJob(shape, a, b), onednn_(library), formOfA_(onednn_.matrix(shape.m, shape.k, shape.transposeA)),
        formOfC_(onednn_.matrix(shape.m, shape.n, false)) {
    const OneDnn::Handle lying = onednn_.matrix(shape.k, shape.n, shape.transposeB);
    OneDnn::Handle formOfB = nullptr;
    product_ = onednn_.product(formOfA_, packed ? onednn_.anyForm(shape.k, shape.n) : lying, formOfC_, &formOfB);
    for (int64_t i = 0; i < shape.batch; ++i) {
      OneDnn::Handle weights = onednn_.memory(lying, this->b(i));
      if (packed) {
        const OneDnn::Handle own = onednn_.memory(formOfB);
        const OneDnn::Argument arguments[] = {{OneDnn::kSource, weights}, {OneDnn::kTarget, own}};
        onednn_.execute(onednn_.reorder(lying, formOfB), arguments, 2);
        weights = own;
      }
      steps_.push_back({{OneDnn::kSource, onednn_.memory(formOfA_, this->a(i))},
                        {OneDnn::kWeights, weights},
                        {OneDnn::kTarget, onednn_.memory(formOfC_, this->c(i))}});
    }
  }
  void run() override {
    for (const auto& arguments : steps_) onednn_.execute(product_, arguments.data(), static_cast<int>(arguments.size()));
  }

 private:
  OneDnn onednn_;
  OneDnn::Handle formOfA_, formOfC_, product_;
  std::vector<std::vector<OneDnn::Argument>> steps_;
};

}  // namespace

template <class T>
std::unique_ptr<Job> prepackedProduct(void* library, const ProductShape& shape, const T* a, const T* b, bool packed) {
  if (packed && shape.batch == 1 && MklPacked<T>::isIn(library)) {
    return std::make_unique<MklPacked<T>>(library, shape, a, b);
  }
  if constexpr (sizeof(T) == sizeof(float)) {
    if (OneDnn::isIn(library)) return std::make_unique<OneDnnProduct>(library, shape, a, b, packed);
  }
  return nullptr;
}
template std::unique_ptr<Job> prepackedProduct(void*, const ProductShape&, const float*, const float*, bool);
template std::unique_ptr<Job> prepackedProduct(void*, const ProductShape&, const double*, const double*, bool);

}  // namespace latent_bench
