#include "runtime/plan/fit.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "runtime/base/base.h"

namespace tessera {
namespace {

// Spans by the length of their lives, up to each power of two, and by where
// they begin: who lives at the same time as one of them is found in a few
// places.
class Neighbours {
 public:
  explicit Neighbours(size_t steps) : steps_(steps), lengths_(static_cast<size_t>(std::bit_width(steps)) + 1) {}

  void add(const Span& span) {
    const auto length = static_cast<size_t>(std::bit_width(span.to - span.from));
    auto& places = lengths_[length];
    if (places.empty()) places.resize((steps_ >> length) + 1);
    places[span.from >> length].push_back(&span);
  }

  /// Those that live at the same time as `span`; false, and not all, if too
  /// many are to be looked at.
  bool find(const Span& span, std::vector<const Span*>& found) const {
    constexpr size_t most = 4096;
    found.clear();
    size_t looks = 0;
    for (size_t length = 0; length < lengths_.size(); ++length) {
      const auto& places = lengths_[length];
      if (places.empty()) continue;
      const size_t reach = size_t{1} << length;
      const size_t first = (span.from > reach ? span.from - reach : 0) >> length, last = span.to >> length;
      for (size_t i = first; i <= last; ++i) {
        if ((looks += 1 + places[i].size()) > most) return false;
        for (const Span* other : places[i])
          if (other->to >= span.from && span.to >= other->from) found.push_back(other);
      }
    }
    return true;
  }

 private:
  size_t steps_;
  std::vector<std::vector<std::vector<const Span*>>> lengths_;
};

// The highest end of all spans at each step: a tree over the steps, the
// children of node i at 2i and 2i + 1.
class Tops {
 public:
  explicit Tops(size_t steps) : leaves_(std::bit_ceil(steps)), highest_(2 * leaves_), whole_(2 * leaves_) {}

  void raise(const Span& span) { raise(1, 0, leaves_, span); }
  int64_t highest(const Span& span) const { return highest(1, 0, leaves_, span); }

 private:
  static bool apart(size_t begin, size_t end, const Span& span) { return span.to < begin || end <= span.from; }
  static bool covers(const Span& span, size_t begin, size_t end) { return span.from <= begin && end <= span.to + 1; }

  void raise(size_t node, size_t begin, size_t end, const Span& span) {
    if (apart(begin, end, span)) return;
    highest_[node] = std::max(highest_[node], span.offset + span.bytes);
    if (covers(span, begin, end)) {
      whole_[node] = std::max(whole_[node], span.offset + span.bytes);
      return;
    }
    const size_t middle = (begin + end) / 2;
    raise(2 * node, begin, middle, span);
    raise(2 * node + 1, middle, end, span);
  }

  int64_t highest(size_t node, size_t begin, size_t end, const Span& span) const {
    if (apart(begin, end, span)) return 0;
    if (covers(span, begin, end)) return highest_[node];
    const size_t middle = (begin + end) / 2;
    return std::max(whole_[node],
                    std::max(highest(2 * node, begin, middle, span), highest(2 * node + 1, middle, end, span)));
  }

  size_t leaves_;
  std::vector<int64_t> highest_;  // at some step below the node
  std::vector<int64_t> whole_;    // at every step below it
};

// While spans are placed, blocks lie this far apart in one row of addresses.
constexpr int64_t stride = int64_t{1} << 48;
// Bytes of one block, and blocks, that no machine has.
constexpr int64_t most_bytes = int64_t{1} << 47;
constexpr size_t most_blocks = size_t{1} << 14;

// The first address from this one on where a span does not cross the end of a
// block.
int64_t in_block(int64_t address, int64_t bytes, int64_t block_bytes) {
  const int64_t offset = address % stride;
  return offset > 0 && offset > block_bytes - bytes ? address - offset + stride : address;
}

// The lowest address between the spans, which are sorted by theirs.
int64_t lowest(const std::vector<const Span*>& others, int64_t bytes, int64_t block_bytes) {
  int64_t address = 0;
  for (const Span* other : others) {
    if (other->offset >= address + bytes) break;
    address = in_block(std::max(address, other->offset + other->bytes), bytes, block_bytes);
  }
  return address;
}

}  // namespace

std::vector<int64_t> fit_into_blocks(std::vector<Span>& spans, int64_t block_bytes) {
  std::stable_sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.bytes > b.bytes; });
  size_t steps = 1;
  for (const Span& span : spans) steps = std::max(steps, span.to + 1);
  Neighbours neighbours(steps);
  Tops tops(steps);
  std::vector<const Span*> others;
  std::vector<int64_t> blocks;
  for (Span& span : spans) {
    if (neighbours.find(span, others)) {
      std::sort(others.begin(), others.end(), [](const Span* a, const Span* b) { return a->offset < b->offset; });
      span.offset = lowest(others, span.bytes, block_bytes);
    } else {
      span.offset = in_block(tops.highest(span), span.bytes, block_bytes);
    }
    span.block = static_cast<size_t>(span.offset / stride);
    const int64_t end = span.offset % stride + span.bytes;
    if (end > most_bytes || span.block >= most_blocks) fail(Error::Kind::memory, "the plan needs too much memory");
    blocks.resize(std::max(blocks.size(), span.block + 1));
    blocks[span.block] = std::max(blocks[span.block], end);
    neighbours.add(span);
    tops.raise(span);
  }
  for (Span& span : spans) span.offset %= stride;
  return blocks;
}

int64_t fit(std::vector<Span>& spans) {
  const std::vector<int64_t> blocks = fit_into_blocks(spans, std::numeric_limits<int64_t>::max());
  return blocks.empty() ? 0 : blocks[0];
}

}  // namespace tessera
