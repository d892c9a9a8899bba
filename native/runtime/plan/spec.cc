#include "spec.h"

#include <cstring>

namespace latent {
namespace {

constexpr int32_t kMost = 1 << 20;

class Reader {
 public:
  Reader(const int32_t* words, size_t wordCount) : words_(words), wordsLeft_(wordCount) {}

  // The next word, which must lie in [least, most].
  int32_t word(int32_t least, int32_t most) {
    if (wordsLeft_ == 0) return fail(least);
    --wordsLeft_;
    const int32_t value = *words_++;
    return value < least || value > most ? fail(least) : value;
  }

  bool finished() const { return valid_ && wordsLeft_ == 0; }
  bool valid() const { return valid_; }

 private:
  int32_t fail(int32_t answer) {
    valid_ = false;
    return answer;
  }

  const int32_t* words_;
  size_t wordsLeft_;
  bool valid_ = true;
};

class Check {
 public:
  explicit Check(PlanSpec& plan) : plan_(plan), made_(plan.values.size(), false), hoisted_(plan.values.size(), false) {
    for (size_t i = 0; i < plan.values.size(); ++i) {
      ValueSpec& value = plan.values[i];
      if (value.origin == Origin::kMade) continue;
      made_[i] = true;
      hoisted_[i] = value.origin == Origin::kHeld;
      value.root = static_cast<int32_t>(i);
    }
  }

  bool run() {
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      const bool hoisted = static_cast<int32_t>(i) < plan_.hoisted;
      if (!step(plan_.steps[i], hoisted)) return false;
    }
    for (const int32_t output : plan_.outputs) {
      if (!made_[static_cast<size_t>(output)]) return false;
    }
    return placements();
  }

 private:
  ValueSpec& value(int32_t i) { return plan_.values[static_cast<size_t>(i)]; }

  bool step(const StepSpec& s, bool hoisted) {
    for (int i = 0; i < s.inputs; ++i) {
      if (s.in[i] < 0) continue;
      if (!made_[static_cast<size_t>(s.in[i])] || (hoisted && !hoisted_[static_cast<size_t>(s.in[i])])) return false;
    }
    if (hoisted && s.draw >= 0) return false;
    switch (s.kind) {
      case StepKind::kNew: return makes(s, hoisted);
      case StepKind::kView: return looks(s, hoisted);
      case StepKind::kInto: return writes(s, hoisted);
      default: return false;
    }
  }

  bool define(int32_t i, int32_t root, bool hoisted) {
    ValueSpec& v = value(i);
    if (made_[static_cast<size_t>(i)]) return false;
    v.root = root;
    made_[static_cast<size_t>(i)] = true;
    hoisted_[static_cast<size_t>(i)] = hoisted;
    return true;
  }

  bool makes(const StepSpec& s, bool hoisted) {
    if (s.op->kind != OpKind::kFill && s.op->kind != OpKind::kMap) return false;
    if (s.outputs < 1 || s.outputs > s.op->maxOutputs || (s.outputs > 1 && s.op->kind != OpKind::kFill)) return false;
    for (int i = 0; i < s.outputs; ++i) {
      if (!define(s.out[i], s.out[i], hoisted)) return false;
      if (value(s.out[i]).dtype != value(s.out[0]).dtype) return false;
    }
    return true;
  }

  bool looks(const StepSpec& s, bool hoisted) {
    if (s.op->kind != OpKind::kView || s.inputs != 1 || s.in[0] < 0 || s.outputs != 1) return false;
    const ValueSpec& from = value(s.in[0]);
    return value(s.out[0]).dtype == from.dtype && define(s.out[0], from.root, hoisted);
  }

  // An input that overlaps the target would be read while it is written; element by element it may be the target itself.
  bool writes(const StepSpec& s, bool hoisted) {
    if (s.op->kind == OpKind::kView || s.outputs != 1) return false;
    const size_t target = static_cast<size_t>(s.out[0]);
    if (!made_[target] || value(value(s.out[0]).root).origin == Origin::kInput) return false;
    if (hoisted ? !hoisted_[target] || value(value(s.out[0]).root).origin != Origin::kMade : isHoistedMade(s.out[0])) {
      return false;
    }
    for (int i = 0; i < s.inputs; ++i) {
      if (s.in[i] < 0 || value(s.in[i]).root != value(s.out[0]).root) continue;
      if (s.op->kind != OpKind::kMap || s.in[i] != s.out[0]) return false;
    }
    return true;
  }

  bool placements() {
    std::vector<bool> taken(static_cast<size_t>(plan_.held), false), placed(plan_.values.size(), false);
    for (const ValueSpec& v : plan_.values) {
      if (v.origin == Origin::kHeld) taken[static_cast<size_t>(v.index)] = true;
    }
    for (const int32_t output : plan_.outputs) placed[static_cast<size_t>(value(output).root)] = true;
    for (const Placement& p : plan_.placements) {
      const size_t at = static_cast<size_t>(p.value), held = static_cast<size_t>(p.held);
      const ValueSpec& v = plan_.values[at];
      if (!made_[at] || hoisted_[at] || v.origin != Origin::kMade || v.root != p.value) return false;
      if (taken[held] || placed[at]) return false;
      taken[held] = true;
      placed[at] = true;
    }
    return true;
  }

  // The results of hoisted steps stay as they are until these run again.
  bool isHoistedMade(int32_t i) {
    const int32_t root = value(i).root;
    return value(root).origin == Origin::kMade && hoisted_[static_cast<size_t>(root)];
  }

  PlanSpec& plan_;
  std::vector<bool> made_, hoisted_;
};

void readStep(Reader& in, StepSpec& s, const std::vector<const OpEntry*>& operations, int32_t lastValue, int32_t draws) {
  s.op = operations[static_cast<size_t>(in.word(0, static_cast<int32_t>(operations.size()) - 1))];
  s.kind = static_cast<StepKind>(in.word(0, static_cast<int32_t>(StepKind::kCount) - 1));
  s.inputs = in.word(s.op->minInputs, s.op->maxInputs);
  for (int i = 0; i < s.inputs; ++i) s.in[i] = in.word(-1, lastValue);
  s.numberType = static_cast<DType>(in.word(0, static_cast<int32_t>(DType::kCount) - 1));
  s.outputs = in.word(1, kMaxOutputs);
  for (int i = 0; i < s.outputs; ++i) s.out[i] = in.word(0, lastValue);
  s.ints = in.word(0, kIntArguments);
  s.reals = in.word(0, kRealArguments);
  s.draw = in.word(-1, draws - 1);
}

}  // namespace

bool PlanSpec::read(const std::vector<const OpEntry*>& operations, const int32_t* words, size_t wordCount) {
  Reader in(words, wordCount);
  inputs = in.word(0, kMost);
  held = in.word(0, kMost);
  draws = in.word(0, kMost);
  const int32_t valueCount = in.word(0, kMost), stepCount = in.word(0, kMost), outputCount = in.word(0, kMost);
  const int32_t placementCount = in.word(0, held);
  hoisted = in.word(0, stepCount);
  if (!in.valid() || static_cast<size_t>(valueCount) + static_cast<size_t>(stepCount) > wordCount) return false;
  values.resize(static_cast<size_t>(valueCount));
  for (ValueSpec& v : values) {
    v.origin = static_cast<Origin>(in.word(0, static_cast<int32_t>(Origin::kCount) - 1));
    const int32_t most = v.origin == Origin::kInput ? inputs - 1 : v.origin == Origin::kHeld ? held - 1 : -1;
    v.index = in.word(v.origin == Origin::kMade ? -1 : 0, most);
    v.dtype = static_cast<DType>(in.word(0, static_cast<int32_t>(DType::kCount) - 1));
    v.rank = in.word(0, kMaxRank);
    v.shapeAt = numbers;
    numbers += v.rank;
    if (!in.valid()) return false;
  }
  for (int32_t i = 0; i < outputCount && in.valid(); ++i) outputs.push_back(in.word(0, valueCount - 1));
  for (int32_t i = 0; i < placementCount && in.valid(); ++i) {
    const int32_t value = in.word(0, valueCount - 1);
    placements.push_back({value, in.word(0, held - 1)});
  }
  if (!in.valid()) return false;
  steps.resize(static_cast<size_t>(stepCount));
  for (StepSpec& s : steps) {
    if (!in.valid()) return false;
    readStep(in, s, operations, valueCount - 1, draws);
    s.numbersAt = numbers;
    numbers += s.numberCount();
  }
  return in.finished() && Check(*this).run();
}

bool PlanSpec::hoistsAlike(const double* a, const double* b) const {
  // Bit for bit: 0 and -0 differ.
  const auto same = [&](int32_t at, int32_t count) {
    return std::memcmp(a + at, b + at, static_cast<size_t>(count) * sizeof(double)) == 0;
  };
  for (int32_t i = 0; i < hoisted; ++i) {
    const StepSpec& s = steps[static_cast<size_t>(i)];
    if (!same(s.numbersAt, s.numberCount())) return false;
    for (int j = 0; j < s.outputs; ++j) {
      const ValueSpec& v = values[static_cast<size_t>(s.out[j])];
      if (!same(v.shapeAt, v.rank)) return false;
    }
  }
  return true;
}

}  // namespace latent
