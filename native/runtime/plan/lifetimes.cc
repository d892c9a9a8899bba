#include "lifetimes.h"

#include <algorithm>
#include <cstring>

#include "../caches.h"

namespace latent {
namespace {

int64_t bytesOf(const View& shape) { return shape.size() * static_cast<int64_t>(sizeOf(shape.dtype)); }

}  // namespace

bool isOfImages(const View& shape, int64_t images) { return shape.rank >= 4 && shape.shape[0] == images; }

Lifetimes::Lifetimes(const PlanSpec& plan, const std::vector<View>& shapes, const std::vector<Fork>& forks)
    : plan_(plan), shapes_(shapes), forks_(forks), leader_(plan.values.size()), first_(plan.values.size(), -1),
      last_(plan.values.size(), -1), output_(plan.values.size(), -1), held_(plan.values.size(), -1),
      time_(plan.steps.size()), fork_(plan.steps.size(), -1), branch_(plan.steps.size(), -1),
      whole_(plan.values.size(), false), local_(plan.values.size(), false) {
  const int32_t steps = static_cast<int32_t>(plan.steps.size());
  for (size_t i = 0; i < leader_.size(); ++i) leader_[i] = static_cast<int32_t>(i);
  for (int32_t i = 0; i < steps; ++i) at(time_, i) = i;
  for (size_t f = 0; f < forks.size(); ++f) {
    for (size_t b = 0; b < forks[f].branches.size(); ++b) {
      for (const int32_t i : forks[f].branches[b]) {
        at(fork_, i) = static_cast<int32_t>(f);
        at(branch_, i) = static_cast<int32_t>(b);
      }
    }
  }
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    const int32_t root = rootOf(plan.outputs[i]);
    if (at(output_, root) < 0) at(output_, root) = static_cast<int32_t>(i);
  }
  for (const Placement& p : plan.placements) at(held_, p.value) = p.held;
  for (int32_t i = 0; i < steps; ++i) use(plan.steps[static_cast<size_t>(i)], i);
  findChains();
  for (int32_t i = plan.hoisted; i < steps; ++i) share(plan.steps[static_cast<size_t>(i)], i);
}

void Lifetimes::use(const StepSpec& s, int32_t i) {
  for (int j = 0; j < s.inputs; ++j) {
    if (s.in[j] < 0) continue;
    at(last_, rootOf(s.in[j])) = i;
  }
  for (int j = 0; j < s.outputs; ++j) {
    const int32_t root = rootOf(s.out[j]);
    if (at(first_, root) < 0) at(first_, root) = i;
    at(last_, root) = i;
  }
  if (s.kind == StepKind::kNew) {
    for (int j = 0; j < s.outputs; ++j) at(whole_, s.out[j]) = true;
  } else if (s.kind == StepKind::kView && std::strcmp(s.op->name, "reshapeView") == 0) {
    at(whole_, s.out[0]) = at(whole_, s.in[0]);
  }
}

// Whether an input that is needed for the last time can be written over by the result, element by element.
void Lifetimes::share(const StepSpec& s, int32_t i) {
  if (s.kind != StepKind::kNew || s.op->kind != OpKind::kMap || local_[static_cast<size_t>(s.out[0])]) return;
  const View& out = shapeOf(s.out[0]);
  for (int j = 0; j < s.inputs; ++j) {
    if (s.in[j] < 0) continue;
    const int32_t root = rootOf(s.in[j]), group = leader(root);
    const View& in = shapeOf(s.in[j]);
    if (!isMade(root) || first(root) < plan_.hoisted || !isWhole(s.in[j]) || local_[static_cast<size_t>(root)]) continue;
    // A buffer that was made outside of a branch may be read by others.
    if (forkAt(i) >= 0 && (forkAt(first(group)) != forkAt(i) || branchAt(first(group)) != branchAt(i))) continue;
    if (last(group) != i || output(group) >= 0 || held(group) >= 0 || in.dtype != out.dtype || !in.sameShape(out)) continue;
    if (!readsAlike(s, j)) continue;
    at(leader_, s.out[0]) = group;
    at(last_, group) = std::max(last(group), last(s.out[0]));
    at(output_, group) = output(s.out[0]);
    at(held_, group) = held(s.out[0]);
    return;
  }
}

Buffer Lifetimes::bufferOf(int32_t root, int64_t bytes) const {
  const int32_t from = first(root), to = last(root), begins = forkAt(from), ends = forkAt(to);
  Buffer b{bytes, time_[static_cast<size_t>(from)], time_[static_cast<size_t>(to)], 0};
  if (begins >= 0 && begins == ends && branchAt(from) == branchAt(to)) {
    const Fork& fork = forks_[static_cast<size_t>(begins)];
    b.fork = begins;
    b.branch = branchAt(from);
    b.forkFirst = fork.first;
    b.forkLast = fork.end - 1;
    return b;
  }
  if (begins >= 0) b.first = forks_[static_cast<size_t>(begins)].first;
  if (ends >= 0) b.last = forks_[static_cast<size_t>(ends)].end - 1;
  return b;
}

// Whether other inputs on the same storage are the same window.
bool Lifetimes::readsAlike(const StepSpec& s, int j) const {
  for (int other = 0; other < s.inputs; ++other) {
    if (s.in[other] < 0 || leader(rootOf(s.in[other])) != leader(rootOf(s.in[j]))) continue;
    if (!isWhole(s.in[other]) || !shapeOf(s.in[other]).sameShape(shapeOf(s.in[j]))) return false;
  }
  return true;
}

// Whether a step goes element by element through whole tensors of one shape.
bool Lifetimes::links(const StepSpec& s, const View& shape) const {
  if (s.kind != StepKind::kNew || s.op->kind != OpKind::kMap || s.draw >= 0 || !shapeOf(s.out[0]).sameShape(shape)) {
    return false;
  }
  for (int j = 0; j < s.inputs; ++j) {
    if (s.in[j] < 0) continue;
    if (!isMade(rootOf(s.in[j])) || !isWhole(s.in[j]) || !shapeOf(s.in[j]).sameShape(shape)) return false;
  }
  return true;
}

// Where the elementwise steps from `first` on end. A buffer that fits the second cache a few times over stays in it between two
// steps anyway.
int32_t Lifetimes::endOfElements(int32_t first) const {
  const View& shape = shapeOf(plan_.steps[static_cast<size_t>(first)].out[0]);
  int32_t end = first;
  if (bytesOf(shape) < caches().l2 / 4) return end;
  while (end < static_cast<int32_t>(plan_.steps.size()) && forkAt(end) == forkAt(first) &&
         branchAt(end) == branchAt(first) && links(plan_.steps[static_cast<size_t>(end)], shape)) {
    ++end;
  }
  return end;
}

// Whether a step computes each of so many images by itself, from more than the second cache holds of all of them, and what else
// it reads, once for each image, stays there or is less than the image.
bool Lifetimes::isByImage(const StepSpec& s, int64_t images) const {
  if (s.kind != StepKind::kNew || s.draw >= 0 || s.outputs != 1 || !isOfImages(shapeOf(s.out[0]), images)) return false;
  const bool isMap = s.op->kind == OpKind::kMap;
  if (!s.op->byImage && !isMap) return false;
  int64_t bytes = bytesOf(shapeOf(s.out[0])), others = 0;
  for (int j = 0; j < s.inputs; ++j) {
    if (s.in[j] < 0) continue;
    const View& in = shapeOf(s.in[j]);
    if (isMap && !in.sameShape(shapeOf(s.out[0]))) return false;
    (isOfImages(in, images) ? bytes : others) += bytesOf(in);
  }
  return bytes > caches().l2 / 2 && others <= std::max(caches().l2 / 2, bytes / images);
}

int32_t Lifetimes::endOfImages(int32_t first) const {
  const View& shape = shapeOf(plan_.steps[static_cast<size_t>(first)].out[0]);
  int32_t end = first;
  if (shape.rank == 0 || shape.shape[0] < 2) return end;
  bool any = false;
  while (end < static_cast<int32_t>(plan_.steps.size()) && forkAt(end) == forkAt(first) &&
         branchAt(end) == branchAt(first) && isByImage(plan_.steps[static_cast<size_t>(end)], shape.shape[0])) {
    any = any || plan_.steps[static_cast<size_t>(end)].op->byImage;
    ++end;
  }
  return any ? end : first;
}

void Lifetimes::findChains() {
  const int32_t steps = static_cast<int32_t>(plan_.steps.size());
  for (int32_t i = plan_.hoisted; i < steps;) {
    int32_t end = endOfImages(i);
    const bool isOfImages = end - i > 1;
    if (!isOfImages) end = endOfElements(i);
    if (end - i > 1) addChain(i, end, isOfImages);
    i = std::max(end, i + 1);
  }
}

void Lifetimes::addChain(int32_t first, int32_t end, bool isOfImages) {
  Chain chain{first, end, {}, 0, {}, 0};
  for (int32_t i = first; i < end; ++i) {
    at(time_, i) = first;
    const int32_t out = plan_.steps[static_cast<size_t>(i)].out[0];
    // Read by links of the chain alone, as itself: a view of it would be a step in between.
    if (output(out) >= 0 || held(out) >= 0 || last(out) >= end || last(out) == i) continue;
    at(local_, out) = true;
    chain.locals.push_back(out);
  }
  if (isOfImages) placeImages(chain);
  chains_.push_back(std::move(chain));
}

// As many images to a block as the second cache holds of what a step reads and writes, and a place for what is local.
void Lifetimes::placeImages(Chain& chain) const {
  const int64_t images = shapeOf(plan_.steps[static_cast<size_t>(chain.first)].out[0]).shape[0];
  int64_t most = 1;
  for (int32_t i = chain.first; i < chain.end; ++i) {
    const StepSpec& s = plan_.steps[static_cast<size_t>(i)];
    int64_t bytes = bytesOf(shapeOf(s.out[0]));
    for (int j = 0; j < s.inputs; ++j) {
      if (s.in[j] >= 0 && isOfImages(shapeOf(s.in[j]), images)) bytes += bytesOf(shapeOf(s.in[j]));
    }
    most = std::max(most, bytes);
  }
  chain.images = std::max<int64_t>(1, std::min(images / 2, caches().l2 / 2 / (most / images + 1)));
  std::vector<Buffer> buffers;
  for (const int32_t local : chain.locals)
    buffers.push_back({bytesOf(shapeOf(local)) / images * chain.images, first(local), last(local), 0});
  chain.roomBytes = layOut(buffers);
  for (const Buffer& b : buffers) chain.offsets.push_back(b.offset);
}

}  // namespace latent
