#include "product.h"

#include <cstring>
#include <stdexcept>

#include "../../native/runtime/gemm/gemm.h"

namespace latent_bench {
namespace {

using latent::Matrix;
using latent::Status;
using latent::Storage;

template <class T>
class LibraryProduct : public Job {
 public:
  LibraryProduct(const ProductShape& shape, const T* a, const T* b, bool packed)
      : shape_(shape), a_(shape.aSize() * sizeof(T)), c_(shape.cSize() * sizeof(T)) {
    if (packed && shape.batch != 1) throw std::invalid_argument("packed weights are of one product, not of a batch");
    weight_ = Storage::create(&account_, shape.bSize() * sizeof(T));
    if (weight_ == nullptr) throw std::bad_alloc();
    std::memcpy(a_.as<T>(), a, a_.bytes());
    std::memcpy(weight_->data(), b, shape.bSize() * sizeof(T));
    if (packed) weight_->keepPacked();
  }
  ~LibraryProduct() override { weight_->release(); }

  void run() override {
    const ProductShape& s = shape_;
    for (int64_t i = 0; i < s.batch; ++i) {
      const T* b = reinterpret_cast<const T*>(weight_->data()) + i * s.k * s.n;
      multiply(a_.as<T>() + i * s.m * s.k, b, c_.as<T>() + i * s.m * s.n);
    }
  }
  const void* result() const override { return c_.as<T>(); }
  size_t resultBytes() const override { return c_.bytes(); }

 private:
  void multiply(const T* a, const T* b, T* c) {
    const ProductShape& s = shape_;
    const Matrix<const T> left = s.transposeA ? Matrix<const T>{a, 1, s.m} : Matrix<const T>{a, s.k, 1};
    const Matrix<const T> right = s.transposeB ? Matrix<const T>{b, 1, s.k} : Matrix<const T>{b, s.n, 1};
    const Status status = latent::gemm<T>(s.m, s.n, s.k, left, right, c, s.n, {}, weight_, 0);
    if (status != Status::kOk) throw std::runtime_error("the product failed, most likely for lack of memory");
  }

  ProductShape shape_;
  latent::Account account_;
  Buffer a_, c_;
  Storage* weight_;
};

}  // namespace

template <class T>
std::unique_ptr<Job> libraryProduct(const ProductShape& shape, const T* a, const T* b, bool packed) {
  return std::make_unique<LibraryProduct<T>>(shape, a, b, packed);
}
template std::unique_ptr<Job> libraryProduct(const ProductShape&, const float*, const float*, bool);
template std::unique_ptr<Job> libraryProduct(const ProductShape&, const double*, const double*, bool);

}  // namespace latent_bench
