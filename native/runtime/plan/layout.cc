#include "layout.h"

#include <algorithm>
#include <map>

namespace latent {
namespace {

constexpr int64_t kAlignment = 64;

int64_t lines(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

bool meet(const Buffer& a, const Buffer& b) {
  if (a.fork >= 0 && a.fork == b.fork && a.branch != b.branch) return true;
  return a.first <= b.last && b.first <= a.last;
}

enum class Choice {
  kLowest,      // the lowest place
  kAlternating  // the lowest and the highest within what is needed at least, in turn by the step that makes it
};

using Order = bool (*)(const Buffer&, const Buffer&);

bool bySize(const Buffer& a, const Buffer& b) { return a.bytes > b.bytes; }
bool byTime(const Buffer& a, const Buffer& b) { return a.first < b.first; }
bool byArea(const Buffer& a, const Buffer& b) {
  const auto area = [](const Buffer& x) { return static_cast<double>(x.bytes) * (x.last - x.first + 1); };
  return area(a) > area(b);
}

// The lowest or highest offset of `bytes` that no buffer in `taken`, ordered by offset, has; the highest lies below `top`,
// and is -1 where there is none.
int64_t lowest(const std::vector<const Buffer*>& taken, int64_t bytes) {
  int64_t at = 0;
  for (const Buffer* other : taken) {
    if (at + bytes <= other->offset) break;
    at = std::max(at, other->offset + lines(other->bytes));
  }
  return at;
}

int64_t highest(const std::vector<const Buffer*>& taken, int64_t bytes, int64_t top) {
  int64_t best = -1, at = 0;
  for (const Buffer* other : taken) {
    if (at + bytes <= std::min(other->offset, top)) best = std::min(other->offset, top) - bytes;
    at = std::max(at, other->offset + lines(other->bytes));
  }
  return at + bytes <= top ? top - bytes : best;
}

int64_t place(std::vector<Buffer>& buffers, Order before, Choice choice, int64_t least) {
  std::vector<Buffer*> order;
  order.reserve(buffers.size());
  for (Buffer& b : buffers) order.push_back(&b);
  std::stable_sort(order.begin(), order.end(), [&](const Buffer* a, const Buffer* b) { return before(*a, *b); });
  std::vector<const Buffer*> placed, taken;
  int64_t total = 0;
  for (Buffer* b : order) {
    taken.clear();
    for (const Buffer* other : placed) {
      if (meet(*b, *other)) taken.push_back(other);
    }
    const int64_t bytes = lines(b->bytes);
    const bool high = choice == Choice::kAlternating && b->first % 2 != 0;
    b->offset = high ? highest(taken, bytes, least) : -1;
    if (b->offset < 0) b->offset = lowest(taken, bytes);
    total = std::max(total, b->offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), b,
                                   [](const Buffer* x, const Buffer* y) { return x->offset < y->offset; }),
                  b);
  }
  return total;
}

}  // namespace

int64_t layOut(std::vector<Buffer>& buffers) {
  const int64_t least = leastBytes(buffers);
  const struct {
    Order order;
    Choice choice;
  } ways[] = {{bySize, Choice::kLowest}, {byTime, Choice::kAlternating}, {byArea, Choice::kLowest},
              {byTime, Choice::kLowest}, {bySize, Choice::kAlternating}, {byArea, Choice::kAlternating}};
  std::vector<Buffer> best;
  int64_t total = -1;
  for (const auto& way : ways) {
    std::vector<Buffer> tried = buffers;
    const int64_t needed = place(tried, way.order, way.choice, least);
    if (total >= 0 && needed >= total) continue;
    total = needed;
    best = std::move(tried);
    if (total == least) break;
  }
  buffers = std::move(best);
  return total;
}

namespace {

// The same where no forks are.
int64_t mostAtOnce(const std::vector<Buffer>& buffers) {
  // Bytes that come and go, by step.
  std::vector<std::pair<int64_t, int64_t>> changes;
  changes.reserve(2 * buffers.size());
  for (const Buffer& b : buffers) {
    changes.push_back({2 * static_cast<int64_t>(b.first), lines(b.bytes)});
    changes.push_back({2 * static_cast<int64_t>(b.last) + 1, -lines(b.bytes)});
  }
  std::sort(changes.begin(), changes.end());
  int64_t now = 0, most = 0;
  for (const auto& change : changes) {
    now += change.second;
    most = std::max(most, now);
  }
  return most;
}

}  // namespace

int64_t leastBytes(const std::vector<Buffer>& buffers) {
  std::vector<Buffer> all;
  std::map<std::pair<int32_t, int32_t>, std::vector<Buffer>> branches;
  for (const Buffer& b : buffers) {
    if (b.fork < 0) all.push_back(b);
    else branches[{b.fork, b.branch}].push_back(b);
  }
  for (const auto& one : branches) {
    const Buffer& b = one.second.front();
    all.push_back({mostAtOnce(one.second), b.forkFirst, b.forkLast, 0});
  }
  return mostAtOnce(all);
}

}  // namespace latent
