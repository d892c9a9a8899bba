#include "blas.h"

#include <dlfcn.h>

#include <cstring>
#include <stdexcept>

namespace latent_bench {
namespace {

constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;

template <class T>
using CblasProduct = void (*)(int order, int transA, int transB, int m, int n, int k, T alpha, const T* a, int lda,
                              const T* b, int ldb, T beta, T* c, int ldc);
using DnnlProduct = int (*)(char transA, char transB, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
                            int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc);

template <class T>
class BlasProduct : public Job {
 public:
  BlasProduct(const ProductShape& shape, const T* a, const T* b, CblasProduct<T> cblas, DnnlProduct dnnl)
      : shape_(shape), a_(shape.aSize() * sizeof(T)), b_(shape.bSize() * sizeof(T)), c_(shape.cSize() * sizeof(T)),
        cblas_(cblas), dnnl_(dnnl) {
    std::memcpy(a_.as<T>(), a, a_.bytes());
    std::memcpy(b_.as<T>(), b, b_.bytes());
  }
  void run() override {
    const ProductShape& s = shape_;
    for (int64_t i = 0; i < s.batch; ++i) {
      multiply(a_.as<T>() + i * s.m * s.k, b_.as<T>() + i * s.k * s.n, c_.as<T>() + i * s.m * s.n);
    }
  }
  const void* result() const override { return c_.as<T>(); }
  size_t resultBytes() const override { return c_.bytes(); }

 private:
  void multiply(const T* a, const T* b, T* c) {
    const ProductShape& s = shape_;
    const int64_t lda = s.transposeA ? s.m : s.k, ldb = s.transposeB ? s.k : s.n;
    if constexpr (sizeof(T) == sizeof(float)) {
      if (dnnl_ != nullptr) {
        const int status =
            dnnl_(s.transposeA ? 'T' : 'N', s.transposeB ? 'T' : 'N', s.m, s.n, s.k, 1.0f, a, lda, b, ldb, 0.0f, c, s.n);
        if (status != 0) throw std::runtime_error("dnnl_sgemm answered status " + std::to_string(status));
        return;
      }
    }
    cblas_(kRowMajor, s.transposeA ? kTransposed : kPlain, s.transposeB ? kTransposed : kPlain, static_cast<int>(s.m),
           static_cast<int>(s.n), static_cast<int>(s.k), T(1), a, static_cast<int>(lda), b, static_cast<int>(ldb), T(0), c,
           static_cast<int>(s.n));
  }

  ProductShape shape_;
  Buffer a_, b_, c_;
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
std::unique_ptr<Job> Blas::product(const ProductShape& shape, const T* a, const T* b) const {
  void* cblas = sizeof(T) == sizeof(float) ? cblasSingle_ : cblasDouble_;
  return std::make_unique<BlasProduct<T>>(shape, a, b, reinterpret_cast<CblasProduct<T>>(cblas),
                                          reinterpret_cast<DnnlProduct>(dnnlSingle_));
}
template std::unique_ptr<Job> Blas::product(const ProductShape&, const float*, const float*) const;
template std::unique_ptr<Job> Blas::product(const ProductShape&, const double*, const double*) const;

}  // namespace latent_bench
