// A product's operand: the last two dimensions of a window, read in place wherever that can be.
#pragma once

#include "../gemm/gemm.h"
#include "move.h"

namespace latent {

class Operand {
 public:
  // A window of at least two dimensions. Rows or columns that overlap or run backwards are copied.
  explicit Operand(const View& v) : view_(v), copies_(!readable(v)), copy_(copies_ ? v : View{}) {
    if (!copies_ || copy_.failed()) return;
    view_.data = const_cast<char*>(copy_.as<char>());
    view_.storage = nullptr;
    view_.setContiguousStrides();
  }
  bool failed() const { return copies_ && copy_.failed(); }
  const View& view() const { return view_; }

  template <class T>
  Matrix<const T> matrix() const {
    return {view_.as<T>(), view_.stride[view_.rank - 2], view_.stride[view_.rank - 1]};
  }
  // Where packed forms are kept: null for a copy, which is nobody's storage.
  Storage* storage() const { return view_.storage; }
  int64_t byteOffset() const { return view_.storage == nullptr ? 0 : view_.data - view_.storage->data(); }

 private:
  static bool readable(const View& v) { return v.stride[v.rank - 1] >= 0 && v.stride[v.rank - 2] >= 0; }

  View view_;
  bool copies_;
  Contiguous copy_;
};

}  // namespace latent
