// Recurrent layers over a whole sequence: what the input contributes to each step comes in, made by one product before.
//
// States lie in rows [batch, size] one after the other, that before the first step among them: a step at time t reads row
// t and writes row t + 1, or backwards in time reads t + 1 and writes t. A sample's steps after its length pass its state
// on.
#include <cstring>
#include <initializer_list>

#include "../gemm/gemm.h"
#include "../tensor/dispatch.h"
#include "../tensor/move.h"
#include "../tensor/strided.h"
#include "../threads.h"
#include "ops.h"

namespace latent {
namespace {

struct Sequence {
  int64_t steps, batch, size;
  bool backwards;
  const int32_t* lengths;  // null: all are whole

  int64_t time(int64_t k) const { return backwards ? steps - 1 - k : k; }
  int64_t before(int64_t t) const { return backwards ? t + 1 : t; }
  int64_t after(int64_t t) const { return backwards ? t : t + 1; }
  int64_t first() const { return backwards ? steps : 0; }
  int64_t last() const { return backwards ? 0 : steps; }
  int64_t row() const { return batch * size; }
  bool ended(int64_t t, int64_t sample) const { return lengths != nullptr && t >= lengths[sample]; }

  // Calls body for each sample, in parallel where there is enough to do.
  template <class F>
  void forSamples(F&& body) const {
    const int64_t grain = kElementGrain / 8 / (size + 1) + 1;
    parallelRanges(batch, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) body(i);
    });
  }
};

bool isShape(const View& v, DType dtype, std::initializer_list<int64_t> shape) {
  if (v.dtype != dtype || v.rank != static_cast<int>(shape.size()) || !v.contiguous()) return false;
  int d = 0;
  for (const int64_t size : shape) {
    if (v.shape[d++] != size) return false;
  }
  return true;
}

// ints: whether time runs backwards, whether the last input is the lengths. kIndex where one is longer than the sequence.
Status sequenceOf(const Call& call, const View& states, int64_t extraRows, Sequence& s) {
  if (states.rank != 3 || states.shape[0] < 1 + extraRows || !isFloat(states.dtype)) return LATENT_BROKEN;
  s = {states.shape[0] - 1 - extraRows, states.shape[1], states.shape[2], call.ints[0] != 0, nullptr};
  if (call.ints[1] == 0) return Status::kOk;
  const View& lengths = call.in[call.inputs - 1];
  if (!isShape(lengths, DType::kInt32, {s.batch})) return LATENT_BROKEN;
  s.lengths = lengths.as<int32_t>();
  for (int64_t i = 0; i < s.batch; ++i) {
    if (s.lengths[i] < 0 || s.lengths[i] > s.steps) return Status::kIndex;
  }
  return Status::kOk;
}

int wholeInputs(const Call& call) { return call.inputs - (call.ints[1] != 0 ? 1 : 0); }

// out[batch, width] = start + h·Wᵀ for W[width, size], or bias + h·Wᵀ.
template <class T>
Status timesTurned(const Sequence& s, const T* h, const View& weight, const T* start, const T* bias, T* out,
                   Unary function = kNoUnary) {
  Epilogue<T> epilogue;
  epilogue.start = start;
  epilogue.bias = bias;
  epilogue.function = function;
  const int64_t width = weight.shape[0];
  return gemm<T>(s.batch, width, s.size, {h, s.size, 1}, {weight.as<T>(), 1, s.size}, out, width, epilogue, weight.storage,
                 weight.data - weight.storage->data());
}

// out[batch, size] = start + g·W.
template <class T>
Status timesWeight(const Sequence& s, const T* g, const View& weight, const T* start, T* out) {
  Epilogue<T> epilogue;
  epilogue.start = start;
  const int64_t width = weight.shape[0];
  return gemm<T>(s.batch, s.size, width, {g, width, 1}, {weight.as<T>(), s.size, 1}, out, s.size, epilogue, weight.storage,
                 weight.data - weight.storage->data());
}

template <class T>
void copy(const T* from, int64_t count, T* to) {
  if (count > 0) std::memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
}

template <class T>
void clear(int64_t count, T* to) {
  if (count > 0) std::memset(to, 0, static_cast<size_t>(count) * sizeof(T));
}

template <class T>
void addRows(const Sequence& s, const T* a, const T* b, T* out) {
  floatKernels<T>(kernels()).binary[static_cast<int>(Binary::kAdd)][static_cast<int>(Broadcast::kNone)](s.row(), a, b, out);
}

// ---------- LSTM

// in: what the input contributes [steps, batch, 4·size], weight[4·size, size], the first state and cell; lengths. out: the
// states, and the last cell in a row of its own; for a gradient also gates [steps, batch, 4·size], then cells.
Status runLstm(Call& call) {
  const View &out = call.out, &weight = call.in[1];
  Sequence s;
  const Status status = sequenceOf(call, out, 1, s);
  if (status != Status::kOk) return status;
  const DType dtype = out.dtype;
  if (wholeInputs(call) != 4 || !out.contiguous() || !isShape(call.in[0], dtype, {s.steps, s.batch, 4 * s.size}) ||
      !isShape(weight, dtype, {4 * s.size, s.size}) || !isShape(call.in[2], dtype, {s.batch, s.size}) ||
      !isShape(call.in[3], dtype, {s.batch, s.size})) {
    return LATENT_BROKEN;
  }
  const bool keeps = call.outputs == 2;
  if (keeps && !isShape(call.more[0], dtype, {5, s.steps, s.batch, s.size})) return LATENT_BROKEN;
  const Scratch room(static_cast<size_t>(6 * s.row() + 1) * sizeOf(dtype));
  if (room.failed()) return Status::kOutOfMemory;
  Status result = Status::kOk;
  withFloat(dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const auto& kernel = floatKernels<T>(kernels());
    T* states = out.as<T>();
    T* const allGates = keeps ? call.more[0].as<T>() : room.as<T>();
    T* const allCells = keeps ? allGates + 4 * s.steps * s.row() : room.as<T>() + 4 * s.row();
    copy(call.in[2].as<T>(), s.row(), states + s.first() * s.row());
    const T* cellBefore = call.in[3].as<T>();
    for (int64_t k = 0; k < s.steps && result == Status::kOk; ++k) {
      const int64_t t = s.time(k);
      const T* h = states + s.before(t) * s.row();
      T *next = states + s.after(t) * s.row(), *gates = allGates + (keeps ? 4 * t * s.row() : 0);
      T* cells = allCells + (keeps ? t : k % 2) * s.row();
      result = timesTurned<T>(s, h, weight, call.in[0].as<T>() + 4 * t * s.row(), nullptr, gates);
      s.forSamples([&](int64_t i) {
        const int64_t at = i * s.size;
        kernel.lstmRow(s.size, gates + 4 * at, cellBefore + at, cells + at, next + at);
        if (!s.ended(t, i)) return;
        copy(h + at, s.size, next + at);
        copy(cellBefore + at, s.size, cells + at);
      });
      cellBefore = cells;
    }
    copy(cellBefore, s.row(), states + (s.steps + 1) * s.row());
  });
  return result;
}

// in: the gradient of the states and the last cell, both of these, what was kept, weight, the first cell; lengths. out: the
// gradients of what the input contributed, of the first state, and of the first cell.
Status runLstmGradient(Call& call) {
  const View &states = call.in[1], &kept = call.in[2], &weight = call.in[3];
  Sequence s;
  const Status status = sequenceOf(call, states, 1, s);
  if (status != Status::kOk) return status;
  const DType dtype = states.dtype;
  if (wholeInputs(call) != 5 || call.outputs != 3 || !isShape(call.in[0], dtype, {s.steps + 2, s.batch, s.size}) ||
      !isShape(states, dtype, {s.steps + 2, s.batch, s.size}) || !isShape(kept, dtype, {5, s.steps, s.batch, s.size}) ||
      !isShape(weight, dtype, {4 * s.size, s.size}) || !isShape(call.in[4], dtype, {s.batch, s.size}) ||
      !isShape(call.out, dtype, {s.steps, s.batch, 4 * s.size}) || !isShape(call.more[0], dtype, {s.batch, s.size}) ||
      !isShape(call.more[1], dtype, {s.batch, s.size})) {
    return LATENT_BROKEN;
  }
  const Scratch room(static_cast<size_t>(s.row() + 1) * sizeOf(dtype));
  if (room.failed()) return Status::kOutOfMemory;
  Status result = Status::kOk;
  withFloat(dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const auto& kernel = floatKernels<T>(kernels());
    const T *g = call.in[0].as<T>(), *gates = kept.as<T>(), *cells = gates + 4 * s.steps * s.row();
    T *slopes = call.out.as<T>(), *dh = call.more[0].as<T>(), *dc = call.more[1].as<T>(), *sum = room.as<T>();
    copy(g + s.last() * s.row(), s.row(), dh);
    copy(g + (s.steps + 1) * s.row(), s.row(), dc);
    for (int64_t k = s.steps - 1; k >= 0 && result == Status::kOk; --k) {
      const int64_t t = s.time(k);
      const T* cellBefore = k == 0 ? call.in[4].as<T>() : cells + s.time(k - 1) * s.row();
      T* step = slopes + 4 * t * s.row();
      s.forSamples([&](int64_t i) {
        const int64_t at = i * s.size;
        if (s.ended(t, i)) {
          clear(4 * s.size, step + 4 * at);
        } else {
          kernel.lstmSlopeRow(s.size, gates + 4 * (t * s.row() + at), cellBefore + at, cells + t * s.row() + at, dh + at,
                              dc + at, step + 4 * at);
        }
      });
      // Of a sample that has ended what arrived goes on.
      copy(g + s.before(t) * s.row(), s.row(), sum);
      for (int64_t i = 0; i < s.batch; ++i) {
        if (!s.ended(t, i)) continue;
        for (int64_t j = i * s.size; j < (i + 1) * s.size; ++j) sum[j] += dh[j];
      }
      result = timesWeight<T>(s, step, weight, sum, dh);
    }
  });
  return result;
}

// ---------- GRU

// in: what the input contributes [steps, batch, 3·size], weight[3·size, size], bias[3·size], the first state; lengths. out:
// the states; for a gradient also r, z, n and what r multiplies, [steps, batch, 4·size].
Status runGru(Call& call) {
  const View &out = call.out, &weight = call.in[1];
  Sequence s;
  const Status status = sequenceOf(call, out, 0, s);
  if (status != Status::kOk) return status;
  const DType dtype = out.dtype;
  if (wholeInputs(call) != 4 || !out.contiguous() || !isShape(call.in[0], dtype, {s.steps, s.batch, 3 * s.size}) ||
      !isShape(weight, dtype, {3 * s.size, s.size}) || !isShape(call.in[2], dtype, {3 * s.size}) ||
      !isShape(call.in[3], dtype, {s.batch, s.size})) {
    return LATENT_BROKEN;
  }
  const bool keeps = call.outputs == 2;
  if (keeps && !isShape(call.more[0], dtype, {4, s.steps, s.batch, s.size})) return LATENT_BROKEN;
  const Scratch room(static_cast<size_t>(7 * s.row() + 1) * sizeOf(dtype));
  if (room.failed()) return Status::kOutOfMemory;
  Status result = Status::kOk;
  withFloat(dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const auto& kernel = floatKernels<T>(kernels());
    T *states = out.as<T>(), *hidden = room.as<T>();
    T* const all = keeps ? call.more[0].as<T>() : room.as<T>() + 3 * s.row();
    copy(call.in[3].as<T>(), s.row(), states + s.first() * s.row());
    for (int64_t k = 0; k < s.steps && result == Status::kOk; ++k) {
      const int64_t t = s.time(k);
      const T *h = states + s.before(t) * s.row(), *input = call.in[0].as<T>() + 3 * t * s.row();
      T *next = states + s.after(t) * s.row(), *kept = all + (keeps ? 4 * t * s.row() : 0);
      result = timesTurned<T>(s, h, weight, nullptr, call.in[2].as<T>(), hidden);
      s.forSamples([&](int64_t i) {
        const int64_t at = i * s.size;
        kernel.gruRow(s.size, input + 3 * at, hidden + 3 * at, h + at, kept + 4 * at, next + at);
        if (s.ended(t, i)) copy(h + at, s.size, next + at);
      });
    }
  });
  return result;
}

// in: the gradient of the states, these, what was kept, weight; lengths. out: the gradients of what the input and the states
// contributed, and of the first state.
Status runGruGradient(Call& call) {
  const View &states = call.in[1], &kept = call.in[2], &weight = call.in[3];
  Sequence s;
  const Status status = sequenceOf(call, states, 0, s);
  if (status != Status::kOk) return status;
  const DType dtype = states.dtype;
  if (wholeInputs(call) != 4 || call.outputs != 3 || !isShape(call.in[0], dtype, {s.steps + 1, s.batch, s.size}) ||
      !isShape(states, dtype, {s.steps + 1, s.batch, s.size}) || !isShape(kept, dtype, {4, s.steps, s.batch, s.size}) ||
      !isShape(weight, dtype, {3 * s.size, s.size}) || !isShape(call.out, dtype, {s.steps, s.batch, 3 * s.size}) ||
      !isShape(call.more[0], dtype, {s.steps, s.batch, 3 * s.size}) || !isShape(call.more[1], dtype, {s.batch, s.size})) {
    return LATENT_BROKEN;
  }
  const Scratch room(static_cast<size_t>(s.row() + 1) * sizeOf(dtype));
  if (room.failed()) return Status::kOutOfMemory;
  Status result = Status::kOk;
  withFloat(dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const auto& kernel = floatKernels<T>(kernels());
    const T* g = call.in[0].as<T>();
    T *inputs = call.out.as<T>(), *hiddens = call.more[0].as<T>(), *dh = call.more[1].as<T>(), *through = room.as<T>();
    copy(g + s.last() * s.row(), s.row(), dh);
    for (int64_t k = s.steps - 1; k >= 0 && result == Status::kOk; --k) {
      const int64_t t = s.time(k);
      const T* h = states.as<T>() + s.before(t) * s.row();
      T *input = inputs + 3 * t * s.row(), *hidden = hiddens + 3 * t * s.row();
      s.forSamples([&](int64_t i) {
        const int64_t at = i * s.size;
        if (s.ended(t, i)) {
          clear(3 * s.size, input + 3 * at);
          clear(3 * s.size, hidden + 3 * at);
          copy(dh + at, s.size, through + at);
        } else {
          kernel.gruSlopeRow(s.size, kept.as<T>() + 4 * (t * s.row() + at), h + at, dh + at, input + 3 * at,
                             hidden + 3 * at, through + at);
        }
      });
      addRows(s, through, g + s.before(t) * s.row(), through);
      result = timesWeight<T>(s, hidden, weight, through, dh);
    }
  });
  return result;
}

// ---------- plain

bool isPlainFunction(int32_t f) {
  const Activation activation = activationOf(static_cast<Unary>(f));
  return activation == Activation::kTanh || activation == Activation::kRelu;
}

// in: what the input contributes [steps, batch, size], weight[size, size], the first state; lengths. out: the states.
// ints: also the function's number among the unary operations.
Status runRnn(Call& call) {
  const View &out = call.out, &weight = call.in[1];
  Sequence s;
  const Status status = sequenceOf(call, out, 0, s);
  if (status != Status::kOk) return status;
  const DType dtype = out.dtype;
  if (wholeInputs(call) != 3 || !isPlainFunction(call.ints[2]) || !out.contiguous() ||
      !isShape(call.in[0], dtype, {s.steps, s.batch, s.size}) || !isShape(weight, dtype, {s.size, s.size}) ||
      !isShape(call.in[2], dtype, {s.batch, s.size})) {
    return LATENT_BROKEN;
  }
  Status result = Status::kOk;
  withFloat(dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    T* states = out.as<T>();
    copy(call.in[2].as<T>(), s.row(), states + s.first() * s.row());
    for (int64_t k = 0; k < s.steps && result == Status::kOk; ++k) {
      const int64_t t = s.time(k);
      const T* h = states + s.before(t) * s.row();
      T* next = states + s.after(t) * s.row();
      result =
          timesTurned<T>(s, h, weight, call.in[0].as<T>() + t * s.row(), nullptr, next, static_cast<Unary>(call.ints[2]));
      for (int64_t i = 0; s.lengths != nullptr && i < s.batch; ++i) {
        if (s.ended(t, i)) copy(h + i * s.size, s.size, next + i * s.size);
      }
    }
  });
  return result;
}

// in: the gradient of the states, these, weight; lengths. out: the gradients of what the input contributed, and of the first
// state.
Status runRnnGradient(Call& call) {
  const View &states = call.in[1], &weight = call.in[2];
  Sequence s;
  const Status status = sequenceOf(call, states, 0, s);
  if (status != Status::kOk) return status;
  const DType dtype = states.dtype;
  if (wholeInputs(call) != 3 || call.outputs != 2 || !isPlainFunction(call.ints[2]) ||
      !isShape(call.in[0], dtype, {s.steps + 1, s.batch, s.size}) ||
      !isShape(states, dtype, {s.steps + 1, s.batch, s.size}) || !isShape(weight, dtype, {s.size, s.size}) ||
      !isShape(call.out, dtype, {s.steps, s.batch, s.size}) || !isShape(call.more[0], dtype, {s.batch, s.size})) {
    return LATENT_BROKEN;
  }
  const Scratch room(static_cast<size_t>(s.row() + 1) * sizeOf(dtype));
  if (room.failed()) return Status::kOutOfMemory;
  Status result = Status::kOk;
  withFloat(dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const auto& kernel = floatKernels<T>(kernels());
    const T* g = call.in[0].as<T>();
    T *slopes = call.out.as<T>(), *dh = call.more[0].as<T>(), *through = room.as<T>();
    copy(g + s.last() * s.row(), s.row(), dh);
    for (int64_t k = s.steps - 1; k >= 0 && result == Status::kOk; --k) {
      const int64_t t = s.time(k);
      const T* next = states.as<T>() + s.after(t) * s.row();
      T* step = slopes + t * s.row();
      kernel.activationGradient(static_cast<Unary>(call.ints[2]), s.row(), dh, next, step);
      copy(g + s.before(t) * s.row(), s.row(), through);
      for (int64_t i = 0; s.lengths != nullptr && i < s.batch; ++i) {
        if (!s.ended(t, i)) continue;
        clear(s.size, step + i * s.size);
        for (int64_t j = i * s.size; j < (i + 1) * s.size; ++j) through[j] += dh[j];
      }
      result = timesWeight<T>(s, step, weight, through, dh);
    }
  });
  return result;
}

const OpEntry kEntries[] = {
    {"lstm", OpKind::kFill, 4, 5, runLstm, 2}, {"lstmGradient", OpKind::kFill, 5, 6, runLstmGradient, 3},
    {"gru", OpKind::kFill, 4, 5, runGru, 2},   {"gruGradient", OpKind::kFill, 4, 5, runGruGradient, 3},
    {"rnn", OpKind::kFill, 3, 4, runRnn},      {"rnnGradient", OpKind::kFill, 3, 4, runRnnGradient, 2},
};

}  // namespace

const OpList kRecurrentOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
