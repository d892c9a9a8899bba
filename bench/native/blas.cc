#include "blas.h"

#include <dlfcn.h>

#include <stdexcept>

#include "operands.h"
#include "prepacked.h"

namespace latent_bench {
namespace {

template <class T>
using CblasProduct = void (*)(int order, int transA, int transB, int m, int n, int k, T alpha, const T* a, int lda,
                              const T* b, int ldb, T beta, T* c, int ldc);
using DnnlProduct = int (*)(char transA, char transB, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
                            int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc);

template <class T>
class BlasProduct : public ProductJob<T> {
 public:
  BlasProduct(const ProductShape& shape, const T* a, const T* b, CblasProduct<T> cblas, DnnlProduct dnnl)
      : ProductJob<T>(shape, a, b), cblas_(cblas), dnnl_(dnnl) {}
  void run() override {
    for (int64_t i = 0; i < this->shape_.batch; ++i) multiply(this->a(i), this->b(i), this->c(i));
  }

 private:
  void multiply(const T* a, const T* b, T* c) const {
    const ProductShape& s = this->shape_;
    if constexpr (sizeof(T) == sizeof(float)) {
      if (dnnl_ != nullptr) {
        const int status = dnnl_(s.transposeA ? 'T' : 'N', s.transposeB ? 'T' : 'N', s.m, s.n, s.k, 1.0f, a, this->lda(), b,
                                 this->ldb(), 0.0f, c, s.n);
        if (status != 0) throw std::runtime_error("dnnl_sgemm answered status " + std::to_string(status));
        return;
      }
    }
    cblas_(kRowMajor, this->wayOfA(), this->wayOfB(), this->m(), this->n(), this->k(), T(1), a,
           static_cast<int>(this->lda()), b, static_cast<int>(this->ldb()), T(0), c, this->n());
  }

  CblasProduct<T> cblas_;
  DnnlProduct dnnl_;
};

}  // namespace

Blas::Blas(const std::string& path) : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr) throw std::runtime_error(dlerror());
  cblasSingle_ = dlsym(handle_, "cblas_sgemm");
  cblasDouble_ = dlsym(handle_, "cblas_dgemm");
  dnnlSingle_ = dlsym(handle_, "dnnl_sgemm");
  if (cblasSingle_ == nullptr && dnnlSingle_ == nullptr) {
    throw std::runtime_error(path + " has neither cblas_sgemm nor dnnl_sgemm");
  }
}

template <class F>
F Blas::find(const char* name) const {
  return reinterpret_cast<F>(dlsym(handle_, name));
}

std::string Blas::version() const {
  using Words = const char* (*)();
  if (const Words config = find<Words>("openblas_get_config")) return config();
  if (const Words version = find<Words>("bli_info_get_version_str")) {
    // Before it is initialised, as its first product would do, it knows no core and may abort when asked.
    if (const auto init = find<void (*)()>("bli_init")) init();
    const auto family = find<int (*)()>("bli_arch_query_id");
    const auto name = find<const char* (*)(int)>("bli_arch_string");
    return std::string(version()) + (family && name ? std::string(" ") + name(family()) : "");
  }
  if (const auto version = find<void (*)(char*, int)>("mkl_get_version_string")) {
    char text[200] = "";
    version(text, sizeof(text));
    return text;
  }
  struct DnnlVersion {
    int major, minor, patch;
  };
  if (const auto version = find<const DnnlVersion* (*)()>("dnnl_version")) {
    const DnnlVersion& v = *version();
    return std::to_string(v.major) + "." + std::to_string(v.minor) + "." + std::to_string(v.patch);
  }
  return "of unknown version";
}

template <class T>
std::unique_ptr<Job> Blas::product(const ProductShape& shape, const T* a, const T* b, bool prepacks, bool packed) const {
  if (prepacks) {
    if (auto job = prepackedProduct<T>(handle_, shape, a, b, packed)) return job;
  }
  void* cblas = sizeof(T) == sizeof(float) ? cblasSingle_ : cblasDouble_;
  return std::make_unique<BlasProduct<T>>(shape, a, b, reinterpret_cast<CblasProduct<T>>(cblas),
                                          reinterpret_cast<DnnlProduct>(dnnlSingle_));
}
template std::unique_ptr<Job> Blas::product(const ProductShape&, const float*, const float*, bool, bool) const;
template std::unique_ptr<Job> Blas::product(const ProductShape&, const double*, const double*, bool, bool) const;

}  // namespace latent_bench
