#include "layout.h"

#include <algorithm>

namespace latent {
namespace {

constexpr int64_t kAlignment = 64;

int64_t lines(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

bool meet(const Buffer& a, const Buffer& b) { return a.first <= b.last && b.first <= a.last; }

}  // namespace

int64_t layOut(std::vector<Buffer>& buffers) {
  std::vector<Buffer*> order;
  order.reserve(buffers.size());
  for (Buffer& b : buffers) order.push_back(&b);
  std::stable_sort(order.begin(), order.end(), [](const Buffer* a, const Buffer* b) { return a->bytes > b->bytes; });
  // Those that have a place, by offset.
  std::vector<const Buffer*> placed;
  placed.reserve(buffers.size());
  int64_t total = 0;
  for (Buffer* b : order) {
    int64_t at = 0;
    for (const Buffer* other : placed) {
      if (!meet(*b, *other)) continue;
      if (at + lines(b->bytes) <= other->offset) break;
      at = std::max(at, other->offset + lines(other->bytes));
    }
    b->offset = at;
    total = std::max(total, at + lines(b->bytes));
    placed.insert(std::upper_bound(placed.begin(), placed.end(), b,
                                   [](const Buffer* x, const Buffer* y) { return x->offset < y->offset; }),
                  b);
  }
  return total;
}

int64_t leastBytes(const std::vector<Buffer>& buffers) {
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

}  // namespace latent
