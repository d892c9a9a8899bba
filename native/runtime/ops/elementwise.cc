// Unary, binary and comparing operations over strided, broadcast windows.
//
// Floats go to the vector kernels: rows whose step is 1 (or 0, for one side of a binary operation) directly, others
// through a small buffer. Integers are computed here, in plain loops.
#include "../../kernels/unary.h"
#include "../cpu.h"
#include "../tensor/dispatch.h"
#include "../tensor/gathered.h"
#include "../tensor/move.h"
#include "../tensor/output.h"
#include "../tensor/strided.h"
#include "ops.h"

namespace latent {
namespace {

template <class T>
void unaryRow(void (*kernel)(int64_t, const T*, T*), int64_t n, const T* x, int64_t step, T* out) {
  if (step == 1) return kernel(n, x, out);
  T buffer[kRowBuffer];
  for (int64_t i = 0; i < n; i += kRowBuffer) {
    const int64_t m = n - i < kRowBuffer ? n - i : kRowBuffer;
    kernel(m, gathered(x + i * step, step, m, buffer), out + i);
  }
}

// Rows shorter than this are put together, so that a kernel has something to do.
constexpr int64_t kShortRow = 128;

// Short rows of one operand one after another.
template <class T>
class Rows {
 public:
  Rows(const T* first, int64_t length, int64_t step, int64_t rowStep)
      : first_(first), length_(length), step_(step), rowStep_(rowStep) {}

  // The rows [row, row + count), whole ones that reach over at most kRowBuffer elements: in place where they lie so.
  const T* take(int64_t row, int64_t count) {
    const T* p = first_ + row * rowStep_;
    if (step_ == 1 && rowStep_ == length_) return p;
    // One row for all is written out once.
    if (rowStep_ == 0 && count <= written_) return buffer_;
    for (int64_t r = 0; r < count; ++r) {
      T* to = buffer_ + r * length_;
      const T* from = p + r * rowStep_;
      if (step_ == 0) {
        for (int64_t i = 0; i < length_; ++i) to[i] = *from;
      } else {
        for (int64_t i = 0; i < length_; ++i) to[i] = from[i * step_];
      }
    }
    written_ = count;
    return buffer_;
  }

 private:
  const T* first_;
  int64_t length_, step_, rowStep_, written_ = 0;
  T buffer_[kRowBuffer + 2 * kShortRow];
};

// Works for arithmetic and comparisons alike: they differ in the output's type.
template <class T, class Out>
using BinaryKernels = void (*const (&)[3])(int64_t, const T*, const T*, Out*);

template <class T, class Out, class Write>
void shortRows(BinaryKernels<T, Out> kernels, const Loop<3>& loop, const T* a, const T* b, Write&& write) {
  const int64_t length = loop.rowLength();
  const Loop<3> rows = loop.withoutLast();
  parallelRanges(rows.size, kElementGrain / length, [&](int64_t begin, int64_t end) {
    rows.forRows(begin, end, [&](const int64_t (&o)[3], int64_t n) {
      Rows<T> left(a + o[1], length, loop.rowStride(1), rows.rowStride(1));
      Rows<T> right(b + o[2], length, loop.rowStride(2), rows.rowStride(2));
      write(o[0], n * length, [&](int64_t i, int64_t count, Out* to) {
        for (const int64_t end = i + count; i < end;) {
          const int64_t m = end - i < kRowBuffer ? end - i : kRowBuffer, row = i / length, at = i % length;
          const int64_t rowsOfIt = (at + m + length - 1) / length;
          const T *x = left.take(row, rowsOfIt), *y = right.take(row, rowsOfIt);
          kernels[static_cast<int>(Broadcast::kNone)](m, x + at, y + at, to);
          i += m;
          to += m;
        }
      });
    });
  });
}

template <class T, class Out>
void binaryRow(BinaryKernels<T, Out> kernels, int64_t n, const T* a, int64_t aStep, const T* b, int64_t bStep, Out* out) {
  constexpr int none = static_cast<int>(Broadcast::kNone), left = static_cast<int>(Broadcast::kLeft),
                right = static_cast<int>(Broadcast::kRight);
  if (bStep == 0 && aStep == 1) return kernels[right](n, a, b, out);
  if (aStep == 0 && bStep == 1) return kernels[left](n, a, b, out);
  if (aStep == 1 && bStep == 1) return kernels[none](n, a, b, out);
  T aBuffer[kRowBuffer], bBuffer[kRowBuffer];
  for (int64_t i = 0; i < n; i += kRowBuffer) {
    const int64_t m = n - i < kRowBuffer ? n - i : kRowBuffer;
    kernels[none](m, gathered(a + i * aStep, aStep, m, aBuffer), gathered(b + i * bStep, bStep, m, bBuffer), out + i);
  }
}

// write(at, n, make) takes what make(i, count, to) makes of the output's elements from `at` on.
template <class T, class Out, class Write>
void binaryRows(BinaryKernels<T, Out> kernels, const Loop<3>& loop, const T* a, const T* b, Write&& write) {
  if (loop.size == 0) return;
  if (loop.rank > 1 && loop.rowLength() < kShortRow) return shortRows<T, Out>(kernels, loop, a, b, write);
  const int64_t aStep = loop.rowStride(1), bStep = loop.rowStride(2);
  inStretches(loop, write, [&](const int64_t (&o)[3], int64_t n, Out* to) {
    binaryRow(kernels, n, a + o[1], aStep, b + o[2], bStep, to);
  });
}

template <class T>
T wrap(int64_t x) {
  return static_cast<T>(static_cast<uint32_t>(static_cast<uint64_t>(x)));
}

int64_t unaryInteger(Unary op, int64_t x) {
  switch (op) {
    case Unary::kNeg: return -x;
    case Unary::kAbs: return x < 0 ? -x : x;
    case Unary::kSign: return (x > 0) - (x < 0);
    case Unary::kSquare: return x * x;
    case Unary::kRelu: return x < 0 ? 0 : x;
    default: return x;
  }
}

constexpr bool ofIntegers(Unary op) {
  switch (op) {
    case Unary::kNeg:
    case Unary::kAbs:
    case Unary::kSign:
    case Unary::kSquare:
    case Unary::kRelu:
    case Unary::kFloor:
    case Unary::kCeil:
    case Unary::kRound: return true;
    default: return false;
  }
}

// base^exponent modulo 2^64, by squaring.
int64_t powInteger(int64_t base, int64_t exponent) {
  uint64_t result = 1, square = static_cast<uint64_t>(base);
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result *= square;
    square *= square;
  }
  return static_cast<int64_t>(result);
}

int64_t binaryInteger(Binary op, int64_t a, int64_t b) {
  switch (op) {
    case Binary::kAdd: return a + b;
    case Binary::kSub: return a - b;
    case Binary::kMul: return a * b;
    case Binary::kPow: return powInteger(a, b);
    case Binary::kMaximum: return a > b ? a : b;
    case Binary::kMinimum: return a < b ? a : b;
    default: return a;
  }
}

bool compareInteger(Compare op, int64_t a, int64_t b) {
  switch (op) {
    case Compare::kEqual: return a == b;
    case Compare::kNotEqual: return a != b;
    case Compare::kLess: return a < b;
    case Compare::kLessEqual: return a <= b;
    case Compare::kGreater: return a > b;
    default: return a >= b;
  }
}

int64_t integerOf(int32_t x) { return x; }
int64_t integerOf(uint8_t x) { return x; }
int64_t integerOf(Bool x) { return x.v; }

// Rows of integers, whose operation the compiler knows; nothing of what is around them is compiled once per operation.
template <class T>
using UnaryRow = void (*)(int64_t n, const T* x, int64_t step, T* out);
template <class T, class Out>
using BinaryRow = void (*)(int64_t n, const T* a, int64_t aStep, const T* b, int64_t bStep, Out* out);

template <class T, Unary kOp>
void unaryIntegers(int64_t n, const T* x, int64_t step, T* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = wrap<T>(unaryInteger(kOp, x[i * step]));
}
template <class T, Binary kOp>
void binaryIntegers(int64_t n, const T* a, int64_t aStep, const T* b, int64_t bStep, T* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = wrap<T>(binaryInteger(kOp, a[i * aStep], b[i * bStep]));
}
template <class T, Compare kOp>
void compareIntegers(int64_t n, const T* a, int64_t aStep, const T* b, int64_t bStep, uint8_t* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = compareInteger(kOp, integerOf(a[i * aStep]), integerOf(b[i * bStep]));
}

template <class T>
Status unaryRowsOfIntegers(const Call& call, const Loop<2>& loop, UnaryRow<T> row) {
  const int64_t step = loop.rowStride(1);
  loop.parallelRows(
      [&](const int64_t (&o)[2], int64_t n) { row(n, call.in[0].as<T>() + o[1], step, call.out.as<T>() + o[0]); });
  return Status::kOk;
}
template <class T, class Out>
Status binaryRowsOfIntegers(const Call& call, const Loop<3>& loop, BinaryRow<T, Out> row) {
  const int64_t aStep = loop.rowStride(1), bStep = loop.rowStride(2);
  loop.parallelRows([&](const int64_t (&o)[3], int64_t n) {
    row(n, call.in[0].as<T>() + o[1], aStep, call.in[1].as<T>() + o[2], bStep, call.out.as<Out>() + o[0]);
  });
  return Status::kOk;
}

Pace paceOf(Unary op) {
  switch (op) {
    case Unary::kNeg:
    case Unary::kAbs:
    case Unary::kSign:
    case Unary::kSqrt:
    case Unary::kRsqrt:
    case Unary::kSquare:
    case Unary::kReciprocal:
    case Unary::kRelu:
    case Unary::kSoftsign:
    case Unary::kFloor:
    case Unary::kCeil:
    case Unary::kRound: return Pace::kOfMemory;
    default: return Pace::kOfFunction;
  }
}

Status unaryOfFloats(const Call& call, const Loop<2>& loop, Unary op) {
  const View &x = call.in[0], &out = call.out;
  withFloat(x.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const auto kernel = floatKernels<T>(kernels()).unary[static_cast<int>(op)];
    const Output<T> output(out, {&x}, paceOf(op));
    const int64_t step = loop.rowStride(1);
    output.writeLoop(loop,
                     [&](const int64_t (&o)[2], int64_t n, T* to) { unaryRow(kernel, n, x.as<T>() + o[1], step, to); });
  });
  return Status::kOk;
}

template <Unary kOp>
Status runUnary(Call& call) {
  const View& x = call.in[0];
  const View& out = call.out;
  if (x.dtype != out.dtype || !x.sameShape(out) || !out.contiguous()) return LATENT_BROKEN;
  Loop<2> loop;
  if (!makeLoop<2>(out, {&x}, loop)) return LATENT_BROKEN;
  if (isFloat(x.dtype)) return unaryOfFloats(call, loop, kOp);
  if constexpr (ofIntegers(kOp)) {
    if (x.dtype == DType::kInt32) return unaryRowsOfIntegers<int32_t>(call, loop, unaryIntegers<int32_t, kOp>);
    if (x.dtype == DType::kUint8) return unaryRowsOfIntegers<uint8_t>(call, loop, unaryIntegers<uint8_t, kOp>);
  }
  return LATENT_BROKEN;
}

bool anyNegative(const View& x) {
  if (x.dtype != DType::kInt32) return false;
  Loop<1> loop;
  for (int d = 0; d < x.rank; ++d) loop.push(x.shape[d], {x.stride[d]});
  bool found = false;
  loop.forRows(0, loop.size, [&](const int64_t (&o)[1], int64_t n) {
    for (int64_t i = 0; i < n; ++i) found = found || x.as<int32_t>()[o[0] + i * loop.rowStride(0)] < 0;
  });
  return found;
}

Status binaryOfFloats(const Call& call, const Loop<3>& loop, Binary op) {
  const View &a = call.in[0], &b = call.in[1], &out = call.out;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const auto& kernel = floatKernels<T>(kernels()).binary[static_cast<int>(op)];
    const Output<T> output(out, {&a, &b}, op == Binary::kPow ? Pace::kOfFunction : Pace::kOfMemory);
    binaryRows<T, T>(kernel, loop, a.as<T>(), b.as<T>(),
                     [&](int64_t at, int64_t n, auto make) { output.write(at, n, make); });
  });
  return Status::kOk;
}

template <Binary kOp>
Status runBinary(Call& call) {
  const View &a = call.in[0], &b = call.in[1], &out = call.out;
  if (a.dtype != out.dtype || b.dtype != out.dtype || !out.contiguous()) return LATENT_BROKEN;
  Loop<3> loop;
  if (!makeLoop<3>(out, {&a, &b}, loop)) return LATENT_BROKEN;
  if (isFloat(out.dtype)) return binaryOfFloats(call, loop, kOp);
  if constexpr (kOp != Binary::kDiv) {
    if (kOp == Binary::kPow && anyNegative(b)) return Status::kDomain;
    if (out.dtype == DType::kInt32) return binaryRowsOfIntegers<int32_t, int32_t>(call, loop, binaryIntegers<int32_t, kOp>);
    if (out.dtype == DType::kUint8) return binaryRowsOfIntegers<uint8_t, uint8_t>(call, loop, binaryIntegers<uint8_t, kOp>);
  }
  return LATENT_BROKEN;
}

Status compareFloats(const Call& call, const Loop<3>& loop, Compare op) {
  const View &a = call.in[0], &b = call.in[1], &out = call.out;
  withFloat(a.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const auto& kernel = floatKernels<T>(kernels()).compare[static_cast<int>(op)];
    binaryRows<T, uint8_t>(kernel, loop, a.as<T>(), b.as<T>(),
                           [&](int64_t at, int64_t n, auto make) { make(0, n, out.as<uint8_t>() + at); });
  });
  return Status::kOk;
}

template <Compare kOp>
Status runCompare(Call& call) {
  const View &a = call.in[0], &b = call.in[1], &out = call.out;
  if (a.dtype != b.dtype || out.dtype != DType::kBool || !out.contiguous()) return LATENT_BROKEN;
  Loop<3> loop;
  if (!makeLoop<3>(out, {&a, &b}, loop)) return LATENT_BROKEN;
  if (isFloat(a.dtype)) return compareFloats(call, loop, kOp);
  if (a.dtype == DType::kInt32) return binaryRowsOfIntegers<int32_t, uint8_t>(call, loop, compareIntegers<int32_t, kOp>);
  if (a.dtype == DType::kUint8) return binaryRowsOfIntegers<uint8_t, uint8_t>(call, loop, compareIntegers<uint8_t, kOp>);
  return binaryRowsOfIntegers<Bool, uint8_t>(call, loop, compareIntegers<Bool, kOp>);
}

// in: g and what the slope follows from, y or x = f⁻¹(y), as FloatKernels::activationGradient says; all of one shape.
// ints: the function's number among the unary operations.
Status runActivationGradient(Call& call) {
  const View &g = call.in[0], &saved = call.in[1], &out = call.out;
  if (!isFloat(out.dtype) || g.dtype != out.dtype || saved.dtype != out.dtype || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  if (!g.sameShape(out) || !saved.sameShape(out)) return LATENT_BROKEN;
  const Unary function = static_cast<Unary>(call.ints[0]);
  switch (function) {
    case Unary::kRelu:
    case Unary::kTanh:
    case Unary::kSigmoid:
    case Unary::kGelu:
    case Unary::kGeluTanh:
    case Unary::kSilu: break;
    default: return LATENT_BROKEN;
  }
  const Contiguous gradient(g), from(saved);
  if (gradient.failed() || from.failed()) return Status::kOutOfMemory;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const Output<T> output(out, {&g, &saved});
    const T *p = gradient.as<T>(), *q = from.as<T>();
    parallelRanges(out.size(), kElementGrain, [&](int64_t begin, int64_t end) {
      output.write(begin, end - begin, [&](int64_t i, int64_t count, T* to) {
        floatKernels<T>(kernels()).activationGradient(function, count, p + begin + i, q + begin + i, to);
      });
    });
  });
  return Status::kOk;
}

template <Unary kOp>
constexpr OpEntry unaryEntry(const char* name) {
  return {name, OpKind::kMap, 1, 1, runUnary<kOp>};
}
template <Binary kOp>
constexpr OpEntry binaryEntry(const char* name) {
  return {name, OpKind::kMap, 2, 2, runBinary<kOp>};
}
template <Compare kOp>
constexpr OpEntry compareEntry(const char* name) {
  return {name, OpKind::kMap, 2, 2, runCompare<kOp>};
}

const OpEntry kEntries[] = {
#define LATENT_ENTRY(Name, name) unaryEntry<Unary::k##Name>(#name),
    LATENT_UNARY(LATENT_ENTRY)
#undef LATENT_ENTRY
#define LATENT_ENTRY(Name, name) binaryEntry<Binary::k##Name>(#name),
        LATENT_BINARY(LATENT_ENTRY)
#undef LATENT_ENTRY
#define LATENT_ENTRY(Name, name) compareEntry<Compare::k##Name>(#name),
            LATENT_COMPARE(LATENT_ENTRY)
#undef LATENT_ENTRY
                {"activationGradient", OpKind::kMap, 2, 2, runActivationGradient},
};

}  // namespace

const OpList kElementwiseOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
